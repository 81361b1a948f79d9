#include "tools/payment_demo/cashier.h"

#include "tools/payment_demo/receipt.h"

namespace latchkey::demo {
namespace {

// Asking charges nothing, so there is no hurry.
constexpr std::chrono::seconds kAskTimeout{10};

void GiveUpAfter(std::chrono::milliseconds timeout, grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + timeout);
}

Outcome Charged(const v1::Payment& payment) {
  return Succeeded({.code = "charged",
                    .provider_reference = payment.reference(),
                    .content_type = kReceiptType,
                    .payload = ReceiptOf(payment)});
}

}  // namespace

Outcome Cashier::Charge(const Order& order, const std::string& idempotency_key) {
  v1::CreatePaymentRequest request;
  request.set_idempotency_key(idempotency_key);
  request.set_order_id(order.id);
  request.set_customer(order.customer);
  request.set_amount_minor(order.amount_minor);
  request.set_currency(order.currency);
  v1::CreatePaymentResponse response;
  grpc::ClientContext context;
  GiveUpAfter(patience_, &context);
  const grpc::Status status = provider_->CreatePayment(&context, request, &response);
  if (!status.ok()) return Unknown(status.error_message());
  if (response.has_payment()) return Charged(response.payment());
  if (response.has_decline()) return Rejected({.code = response.decline().code()});
  return Unknown("the provider's answer says nothing");
}

Outcome Cashier::Ask(const std::string& idempotency_key) {
  v1::FindPaymentsRequest request;
  request.set_idempotency_key(idempotency_key);
  v1::FindPaymentsResponse response;
  grpc::ClientContext context;
  GiveUpAfter(kAskTimeout, &context);
  const grpc::Status status = provider_->FindPayments(&context, request, &response);
  if (!status.ok()) return Unknown(status.error_message());
  if (response.payments().empty()) return Unknown("the provider knows of no such charge yet");
  return Charged(response.payments(0));
}

}  // namespace latchkey::demo
