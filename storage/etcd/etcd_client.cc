#include "storage/etcd/etcd_client.h"

#include <algorithm>
#include <utility>

#include <grpc/grpc.h>

namespace latchkey::storage {
namespace {

// How long one member is waited for before the next is looked at, while none is connected.
constexpr Duration kLookAtEach = std::chrono::milliseconds(20);
// Between two tries of a read.
constexpr Duration kPause = std::chrono::milliseconds(20);

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const EtcdOptions& options) {
  if (options.ca.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = options.ca;
  ssl.pem_cert_chain = options.certificate;
  ssl.pem_private_key = options.key;
  return grpc::SslCredentials(ssl);
}

// A dead member is tried again soon, and a frozen one is noticed.
grpc::ChannelArguments ArgumentsOfChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // etcd takes more than one ping in five seconds for an attack.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3'000);
  return arguments;
}

bool MayHaveBeenDone(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

gpr_timespec DeadlineIn(Duration time) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(time.count(), GPR_TIMESPAN));
}

struct EtcdClient::Member {
  Member(std::string its_address, std::size_t its_place, const EtcdOptions& options)
      : address(std::move(its_address)),
        place(its_place),
        channel(grpc::CreateCustomChannel(address, CredentialsOf(options), ArgumentsOfChannel())),
        kv(etcdserverpb::KV::NewStub(channel)),
        watch(etcdserverpb::Watch::NewStub(channel)),
        maintenance(etcdserverpb::Maintenance::NewStub(channel)),
        auth(etcdserverpb::Auth::NewStub(channel)) {}

  bool connected() const {
    return channel->GetState(/*try_to_connect=*/true) == GRPC_CHANNEL_READY;
  }

  const std::string address;
  const std::size_t place;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<etcdserverpb::KV::Stub> kv;
  const std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  const std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
  const std::unique_ptr<etcdserverpb::Auth::Stub> auth;
};

// One transaction on its way.
struct EtcdClient::Exchange {
  const etcdserverpb::TxnRequest* request = nullptr;
  std::unique_ptr<grpc::ClientContext> context;
  etcdserverpb::TxnResponse response;
  grpc::Status status;
};

EtcdClient::EtcdClient(EtcdOptions options, Clock& clock)
    : options_(std::move(options)), clock_(clock) {
  for (const std::string& address : options_.endpoints) {
    members_.push_back(std::make_unique<Member>(address, members_.size(), options_));
    (void)members_.back()->connected();  // begins to connect
  }
}

EtcdClient::~EtcdClient() = default;

EtcdClient::Member* EtcdClient::Pick() {
  const MonotonicTime until = clock_.Monotonic() + options_.request_timeout;
  do {
    const std::size_t first = preferred_.load();
    for (std::size_t i = 0; i < members_.size(); ++i) {
      Member& member = *members_[(first + i) % members_.size()];
      if (member.connected()) return &member;
    }
    for (const auto& member : members_) {
      if (member->channel->WaitForConnected(DeadlineIn(kLookAtEach))) return member.get();
    }
  } while (clock_.Monotonic() < until);
  return nullptr;
}

void EtcdClient::Leave(const Member& member) {
  std::size_t place = member.place;
  preferred_.compare_exchange_strong(place, (member.place + 1) % members_.size());
}

// A member that has lost its leader says so at once, and does not wait for a new one.
void EtcdClient::Prepare(grpc::ClientContext& context) const {
  context.set_deadline(DeadlineIn(options_.request_timeout));
  context.AddMetadata("hasleader", "true");
  MutexLock lock(mutex_);
  if (!token_.empty()) context.AddMetadata("token", token_);
}

absl::Status EtcdClient::Judge(const Member& member, const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = "etcd at " + member.address + ": " + status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()), message);
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      Leave(member);
      return absl::DeadlineExceededError(message);
    default:
      Leave(member);
      return absl::UnavailableError(message);
  }
}

bool EtcdClient::Authenticated(Member& member, const grpc::Status& refusal) {
  if (options_.user.empty()) return false;
  const std::string& why = refusal.error_message();
  const bool asks = refusal.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
                    why.find("user name is empty") != std::string::npos ||
                    why.find("revision of auth store is old") != std::string::npos ||
                    why.find("auth revision") != std::string::npos;
  if (!asks) return false;
  etcdserverpb::AuthenticateRequest request;
  request.set_name(options_.user);
  request.set_password(options_.password);
  etcdserverpb::AuthenticateResponse response;
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(options_.request_timeout));
  if (!member.auth->Authenticate(&context, request, &response).ok()) return false;
  MutexLock lock(mutex_);
  token_ = response.token();
  return true;
}

absl::Status EtcdClient::Note(const etcdserverpb::ResponseHeader& header, std::int64_t asked_at) {
  if (header.revision() < asked_at) {
    return absl::FailedPreconditionError(
        "etcd is at revision " + std::to_string(header.revision()) + " and was at " +
        std::to_string(asked_at) +
        ": its data was put back to an earlier state. Raise the fencing tokens before any server "
        "is started again");
  }
  std::int64_t known = revision_.load();
  while (known < header.revision() && !revision_.compare_exchange_weak(known, header.revision())) {
  }
  return absl::OkStatus();
}

void EtcdClient::RunOnce(std::vector<Exchange>& exchanges, Member& member) {
  std::size_t pending = exchanges.size();
  for (Exchange& exchange : exchanges) {
    exchange.context = std::make_unique<grpc::ClientContext>();
    Prepare(*exchange.context);
  }
  for (Exchange& exchange : exchanges) {
    member.kv->async()->Txn(exchange.context.get(), exchange.request, &exchange.response,
                            [this, &exchange, &pending](grpc::Status status) {
                              MutexLock lock(mutex_);
                              exchange.status = std::move(status);
                              if (--pending == 0) changed_.NotifyAll();
                            });
  }
  MutexLock lock(mutex_);
  while (pending > 0) changed_.Wait(mutex_);
}

std::vector<absl::StatusOr<etcdserverpb::TxnResponse>> EtcdClient::Txn(
    std::span<const etcdserverpb::TxnRequest> requests) {
  std::vector<absl::StatusOr<etcdserverpb::TxnResponse>> answers;
  answers.reserve(requests.size());
  Member* const member = Pick();
  if (member == nullptr) {
    answers.assign(requests.size(), absl::UnavailableError("no member of etcd can be reached"));
    return answers;
  }
  const std::int64_t asked_at = revision();
  std::vector<Exchange> exchanges(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) exchanges[i].request = &requests[i];
  RunOnce(exchanges, *member);
  for (Exchange& exchange : exchanges) {
    if (!exchange.status.ok() && Authenticated(*member, exchange.status)) {
      std::vector<Exchange> again(1);
      again[0].request = exchange.request;
      RunOnce(again, *member);
      std::swap(exchange, again[0]);
    }
    absl::Status done = Judge(*member, exchange.status);
    if (done.ok()) done = Note(exchange.response.header(), asked_at);
    if (done.ok()) {
      answers.emplace_back(std::move(exchange.response));
    } else {
      answers.emplace_back(std::move(done));
    }
  }
  return answers;
}

absl::StatusOr<etcdserverpb::TxnResponse> EtcdClient::Txn(const etcdserverpb::TxnRequest& request) {
  return std::move(Txn(std::span(&request, 1)).front());
}

template <typename Response, typename Call>
absl::StatusOr<Response> EtcdClient::Repeat(Call call) {
  const MonotonicTime until = clock_.Monotonic() + options_.read_patience;
  absl::Status failed = absl::UnavailableError("no member of etcd can be reached");
  do {
    Member* const member = Pick();
    if (member == nullptr) continue;
    const std::int64_t asked_at = revision();
    Response response;
    grpc::ClientContext context;
    Prepare(context);
    grpc::Status status = call(*member, context, response);
    if (!status.ok() && Authenticated(*member, status)) {
      grpc::ClientContext again;
      Prepare(again);
      status = call(*member, again, response);
    }
    failed = Judge(*member, status);
    if (failed.ok()) failed = Note(response.header(), asked_at);
    if (failed.ok()) return response;
    if (!MayHaveBeenDone(failed)) return failed;
    MutexLock lock(mutex_);
    changed_.WaitFor(mutex_, kPause);
  } while (clock_.Monotonic() < until);
  return failed;
}

absl::StatusOr<etcdserverpb::TxnResponse> EtcdClient::Read(
    const etcdserverpb::TxnRequest& request) {
  return Repeat<etcdserverpb::TxnResponse>(
      [&](Member& member, grpc::ClientContext& context, etcdserverpb::TxnResponse& response) {
        return member.kv->Txn(&context, request, &response);
      });
}

absl::StatusOr<etcdserverpb::RangeResponse> EtcdClient::Range(
    const etcdserverpb::RangeRequest& request) {
  return Repeat<etcdserverpb::RangeResponse>(
      [&](Member& member, grpc::ClientContext& context, etcdserverpb::RangeResponse& response) {
        return member.kv->Range(&context, request, &response);
      });
}

// What a member says of itself may be behind what another has told.
absl::StatusOr<etcdserverpb::StatusResponse> EtcdClient::MemberStatus() {
  return Repeat<etcdserverpb::StatusResponse>(
      [&](Member& member, grpc::ClientContext& context, etcdserverpb::StatusResponse& response) {
        const grpc::Status status = member.maintenance->Status(&context, {}, &response);
        response.mutable_header()->set_revision(std::max(response.header().revision(), revision()));
        return status;
      });
}

absl::Status EtcdClient::Compact(std::int64_t to) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(to);
  return Repeat<etcdserverpb::CompactionResponse>([&](Member& member, grpc::ClientContext& context,
                                                      etcdserverpb::CompactionResponse& response) {
           const grpc::Status status = member.kv->Compact(&context, request, &response);
           response.mutable_header()->set_revision(
               std::max(response.header().revision(), revision()));
           return status;
         })
      .status();
}

std::unique_ptr<EtcdClient::WatchStream> EtcdClient::Watch(grpc::ClientContext& context) {
  Member* const member = Pick();
  if (member == nullptr) return nullptr;
  {
    MutexLock lock(mutex_);
    if (!token_.empty()) context.AddMetadata("token", token_);
  }
  context.AddMetadata("hasleader", "true");
  return member->watch->Watch(&context);
}

}  // namespace latchkey::storage
