#include "tools/payment_demo/provider.h"

#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

namespace latchkey::demo {
namespace {

constexpr std::size_t kKeyBytes = 64;
constexpr std::int64_t kCardLimitMinor = 250'000;

grpc::Status Refuse(const std::string& why) {
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, why);
}

grpc::Status Validate(const v1::CreatePaymentRequest& request) {
  if (request.idempotency_key().empty() || request.idempotency_key().size() > kKeyBytes) {
    return Refuse("idempotency_key must be 1 to 64 bytes");
  }
  if (request.order_id().empty()) return Refuse("order_id is required");
  if (request.customer().empty()) return Refuse("customer is required");
  if (request.amount_minor() <= 0) return Refuse("amount_minor must be above 0");
  if (request.currency().empty()) return Refuse("currency is required");
  return grpc::Status::OK;
}

// Why this card cannot pay this amount; empty when it can.
std::string_view DeclineCode(std::int64_t amount_minor) {
  if (amount_minor > kCardLimitMinor) return "limit_exceeded";
  if (amount_minor % 100 == 13) return "insufficient_funds";
  return "";
}

bool SamePayment(const Charge& charge, const v1::CreatePaymentRequest& request) {
  return charge.order_id == request.order_id() && charge.customer == request.customer() &&
         charge.amount_minor == request.amount_minor() && charge.currency == request.currency();
}

void ToProto(const Charge& charge, v1::Payment* payment) {
  payment->set_reference(charge.reference);
  payment->set_idempotency_key(charge.idempotency_key);
  payment->set_order_id(charge.order_id);
  payment->set_customer(charge.customer);
  payment->set_amount_minor(charge.amount_minor);
  payment->set_currency(charge.currency);
  payment->mutable_charged_at()->set_seconds(charge.charged_at_ms / 1'000);
  payment->mutable_charged_at()->set_nanos(static_cast<int>(charge.charged_at_ms % 1'000) *
                                           1'000'000);
}

grpc::Status LedgerFailed(const absl::Status& status) {
  return grpc::Status(grpc::StatusCode::INTERNAL, std::string(status.message()));
}

// What a caller sees when a call breaks off; it cannot tell on which way.
grpc::Status Lost() { return {grpc::StatusCode::UNAVAILABLE, "connection lost"}; }

// Keeps the caller waiting until it gives up or the server goes down.
void LeaveUnanswered(const grpc::ServerContext& context) {
  while (!context.IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace

PaymentProvider::PaymentProvider(Ledger ledger, Keys keys, FateOf fate_of)
    : keys_(keys), fate_of_(std::move(fate_of)), ledger_(std::move(ledger)) {}

grpc::Status PaymentProvider::CreatePayment(grpc::ServerContext* context,
                                            const v1::CreatePaymentRequest* request,
                                            v1::CreatePaymentResponse* response) {
  if (const auto valid = Validate(*request); !valid.ok()) return valid;
  const Fate fate = NextFate(request->order_id());
  std::this_thread::sleep_for(fate.latency);
  if (fate.mishap == Mishap::kRequestLost) return Lost();
  // A caller that has given up meanwhile is charged all the same: real providers do not look back
  // either.
  const auto settled = Settle(*request, response);
  if (fate.mishap == Mishap::kNoReply) LeaveUnanswered(*context);
  return fate.mishap == Mishap::kNone ? settled : Lost();
}

grpc::Status PaymentProvider::FindPayments(grpc::ServerContext*,
                                           const v1::FindPaymentsRequest* request,
                                           v1::FindPaymentsResponse* response) {
  if (request->idempotency_key().empty()) return Refuse("idempotency_key is required");
  MutexLock lock(mutex_);
  const auto charges = ledger_.Find(request->idempotency_key());
  if (!charges.ok()) return LedgerFailed(charges.status());
  for (const Charge& charge : *charges) ToProto(charge, response->add_payments());
  return grpc::Status::OK;
}

Fate PaymentProvider::NextFate(const std::string& order_id) {
  MutexLock lock(mutex_);
  return fate_of_(order_id, ++calls_by_order_[order_id]);
}

grpc::Status PaymentProvider::Settle(const v1::CreatePaymentRequest& request,
                                     v1::CreatePaymentResponse* response) {
  if (const auto code = DeclineCode(request.amount_minor()); !code.empty()) {
    response->mutable_decline()->set_code(std::string(code));
    return grpc::Status::OK;
  }
  MutexLock lock(mutex_);
  if (keys_ == Keys::kHonoured) {
    const auto earlier = ledger_.Find(request.idempotency_key());
    if (!earlier.ok()) return LedgerFailed(earlier.status());
    if (!earlier->empty()) {
      if (!SamePayment(earlier->front(), request)) {
        return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION,
                            "idempotency_key was used for another payment");
      }
      ToProto(earlier->front(), response->mutable_payment());
      return grpc::Status::OK;
    }
  }
  const auto charge = ledger_.Append({.idempotency_key = request.idempotency_key(),
                                      .order_id = request.order_id(),
                                      .customer = request.customer(),
                                      .amount_minor = request.amount_minor(),
                                      .currency = request.currency()});
  if (!charge.ok()) return LedgerFailed(charge.status());
  ToProto(*charge, response->mutable_payment());
  return grpc::Status::OK;
}

}  // namespace latchkey::demo
