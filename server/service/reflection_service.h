// Server reflection (grpc.reflection.v1alpha.ServerReflection), by which grpcurl needs no files.
// Ours and not gRPC's, because that one cannot ask for credentials.
#pragma once

#include <grpcpp/impl/service_type.h>

namespace latchkey {

class Access;

// For whoever is known; thread-safe.
class ReflectionService final : public grpc::Service {
 public:
  // `access` outlives it; null: for everybody.
  explicit ReflectionService(const Access* access);

 private:
  class Stream;
};

}  // namespace latchkey
