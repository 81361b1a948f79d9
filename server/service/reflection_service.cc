#include "server/service/reflection_service.h"

#include <optional>
#include <set>
#include <string>

#include "latchkey/reflection/v1/reflection.pb.h"
#include "server/service/caller_of.h"
#include "server/service/grpc_status.h"
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/support/server_callback.h>

namespace latchkey {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using reflection::v1::Request;
using reflection::v1::Response;

constexpr char kMethod[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr const char* kServices[] = {"grpc.health.v1.Health", "latchkey.v1.AdminService",
                                     "latchkey.v1.CoordinationService"};

// With all that it imports, which come first.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>& added,
             reflection::v1::Files& files) {
  if (!added.insert(&file).second) return;
  FileDescriptorProto proto;
  file.CopyTo(&proto);
  *files.add_file_descriptor_proto() = proto.SerializeAsString();
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), added, files);
}

void AnswerFile(const FileDescriptor* file, const std::string& asked, Response& response) {
  if (file == nullptr) {
    response.mutable_error()->set_error_code(grpc::StatusCode::NOT_FOUND);
    response.mutable_error()->set_error_message("nothing is known of " + asked);
    return;
  }
  std::set<const FileDescriptor*> added;
  AddFile(*file, added, *response.mutable_files());
}

Response Answer(const Request& request) {
  Response response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  switch (request.question_case()) {
    case Request::kFileByFilename:
      AnswerFile(pool.FindFileByName(request.file_by_filename()), request.file_by_filename(),
                 response);
      break;
    case Request::kFileContainingSymbol:
      AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()),
                 request.file_containing_symbol(), response);
      break;
    case Request::kListServices:
      for (const char* name : kServices) response.mutable_services()->add_service()->set_name(name);
      break;
    case Request::QUESTION_NOT_SET:
      response.mutable_error()->set_error_code(grpc::StatusCode::UNIMPLEMENTED);
      response.mutable_error()->set_error_message("the API has no extensions to ask for");
      break;
  }
  return response;
}

}  // namespace

// One question after the other; owned by gRPC.
class ReflectionService::Stream final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit Stream(std::optional<Refusal> refusal) {
    if (refusal.has_value()) {
      Finish(ToGrpcStatus(*refusal));
    } else {
      StartRead(&request_);
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_ = Answer(request_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  Request request_;
  Response response_;
};

// By hand what the generated code does: the service has another package's name.
ReflectionService::ReflectionService(const Access* access) {
  using grpc::internal::RpcMethod;
  AddMethod(new grpc::internal::RpcServiceMethod(kMethod, RpcMethod::BIDI_STREAMING, nullptr));
  MarkMethodCallback(0, new grpc::internal::CallbackBidiHandler<Request, Response>(
                            [access](grpc::CallbackServerContext* context) {
                              return new Stream(CallerOf(access, *context).CheckKnown());
                            }));
}

}  // namespace latchkey
