// Charges an order once, however often and from however many processes this is run.
//
//   charge_once ADDRESS ORDER AMOUNT LEDGER [lose-answer]
//
// Exit code 0: the order has its final outcome. 1: not yet, or this call was refused.

#include <chrono>
#include <cstdio>
#include <string>

#include "examples/cpp/provider.h"
#include "latchkey/client.h"
#include "latchkey/recovery.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace {

// What the work is. Keyed, so that nobody who reads records can guess amounts from it; a real key
// comes from where secrets are kept.
std::string FingerprintOf(const Order& order) {
  constexpr char kKey[] = "a secret of this service";
  const std::string work = order.id + '\0' + order.amount;
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), kKey, sizeof(kKey) - 1, reinterpret_cast<const unsigned char*>(work.data()),
       work.size(), reinterpret_cast<unsigned char*>(digest.data()), &size);
  digest.resize(size);
  return digest;
}

// [shown]
bool ChargeOnce(latchkey::Client& client, const Provider& provider, const Order& order) {
  const latchkey::RunResult run = client.RunOnce(
      "order:" + order.id,
      {.fingerprint = FingerprintOf(order),
       .wait_timeout = std::chrono::seconds(5),
       .downstream_key_ttl = std::chrono::hours(24)},
      // While lease and window cover the 10 s after which the call to the provider gives up.
      latchkey::SendWithin(std::chrono::seconds(10), [&](latchkey::Attempt& attempt) {
        const auto charge = provider.Charge(order, attempt.downstream_idempotency_key());
        if (charge.accepted) return latchkey::Succeeded({.provider_reference = charge.id});
        if (charge.declined) return latchkey::Rejected({.code = charge.code});
        // Never NotExecuted: it may have acted.
        return latchkey::Unknown("no answer from the provider");
      }));
  using Status = latchkey::RunResult::Status;
  switch (run.status) {
    case Status::kSucceeded:  // by this call, or by an earlier one whose result was stored
      std::printf("charged %s\n", run.result->provider_reference.c_str());
      return true;
    case Status::kRejected:  // for good; a new try is a new key
      std::printf("declined %s\n", run.result->code.c_str());
      return true;
    case Status::kContention:   // somebody else is at it: ask again after contention->retry_after
    case Status::kNotExecuted:  // the work said so: nothing happened, the key is free
    case Status::kInDoubt:      // it may have happened: call again, RunOnce recovers
    case Status::kUnrecorded:   // it ended as run.own says: unless run.delivering, keep that
    case Status::kUnavailable:  // the service could not be asked, so nothing was done
    case Status::kRefused:      // see run.error->reason, such as FINGERPRINT_MISMATCH
      break;
  }
  std::printf("%s %s\n", ToString(run.status), run.error ? run.error->reason.c_str() : "");
  return false;
}
// [/shown]

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: charge_once ADDRESS ORDER AMOUNT LEDGER [lose-answer]\n");
    return 2;
  }
  const bool lose_answer = argc > 5 && std::string(argv[5]) == "lose-answer";
  latchkey::Client client = latchkey::Client::Connect(argv[1]);
  return ChargeOnce(client, Provider(argv[4], lose_answer), {.id = argv[2], .amount = argv[3]}) ? 0
                                                                                                : 1;
}
