#include "tools/payment_demo/receipt.h"

#include <google/protobuf/util/json_util.h>
#include <openssl/hmac.h>

namespace latchkey::demo {
namespace {

// Keeps others from guessing amounts out of stored fingerprints. A real shop takes it from its
// secret store.
constexpr std::string_view kFingerprintKey = "the demo has no secrets";

}  // namespace

std::string KeyOf(const Order& order) { return "order:" + order.id; }

std::string FingerprintOf(const Order& order) {
  // No field has a zero byte in it, so different fields never make the same text.
  const std::string text =
      order.customer + '\0' + std::to_string(order.amount_minor) + '\0' + order.currency;
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  HMAC(EVP_sha256(), kFingerprintKey.data(), static_cast<int>(kFingerprintKey.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(digest.data()), &size);
  digest.resize(size);
  return digest;
}

std::string ReceiptOf(const v1::Payment& payment) {
  std::string json;
  // Fails for no message of this type: its one special field, the time, is always in range.
  (void)google::protobuf::util::MessageToJsonString(payment, &json);
  return json;
}

std::optional<v1::Payment> ParseReceipt(std::string_view receipt) {
  v1::Payment payment;
  const google::protobuf::StringPiece json(receipt.data(), receipt.size());
  if (!google::protobuf::util::JsonStringToMessage(json, &payment).ok()) return std::nullopt;
  return payment;
}

}  // namespace latchkey::demo
