#include "tools/payment_demo/provider.h"

#include <thread>

#include "tests/payment_demo/test_provider.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using Keys = PaymentProvider::Keys;
using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::CreatePaymentRequest Request(const std::string& key, std::int64_t amount_minor = 1250) {
  v1::CreatePaymentRequest request;
  request.set_idempotency_key(key);
  request.set_order_id("104201");
  request.set_customer("ann@example.com");
  request.set_amount_minor(amount_minor);
  request.set_currency("EUR");
  return request;
}

struct Reply {
  grpc::Status status;
  v1::CreatePaymentResponse response;
};

Reply Create(const TestProvider& provider, const v1::CreatePaymentRequest& request) {
  grpc::ClientContext context;
  Reply reply;
  reply.status = provider.Connect()->CreatePayment(&context, request, &reply.response);
  return reply;
}

v1::FindPaymentsResponse Find(const TestProvider& provider, const std::string& key) {
  v1::FindPaymentsRequest request;
  request.set_idempotency_key(key);
  v1::FindPaymentsResponse response;
  grpc::ClientContext context;
  EXPECT_TRUE(provider.Connect()->FindPayments(&context, request, &response).ok());
  return response;
}

TEST(PaymentProvider, ChargesAndWritesItDown) {
  TestProvider provider(Keys::kHonoured);
  const Reply reply = Create(provider, Request("key-1"));
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  const auto charges = provider.Charges();
  ASSERT_THAT(charges, SizeIs(1));
  EXPECT_EQ(reply.response.payment().reference(), charges[0].reference);
  EXPECT_EQ(charges[0].order_id, "104201");
  EXPECT_EQ(charges[0].customer, "ann@example.com");
  EXPECT_EQ(charges[0].amount_minor, 1250);
  EXPECT_EQ(charges[0].currency, "EUR");
}

TEST(PaymentProvider, HonouredKeyIsChargedOnce) {
  TestProvider provider(Keys::kHonoured);
  const Reply first = Create(provider, Request("key-1"));
  const Reply second = Create(provider, Request("key-1"));
  EXPECT_EQ(first.response.SerializeAsString(), second.response.SerializeAsString());
  EXPECT_THAT(provider.Charges(), SizeIs(1));
}

TEST(PaymentProvider, HonouredKeyIsRefusedForAnotherPayment) {
  TestProvider provider(Keys::kHonoured);
  ASSERT_TRUE(Create(provider, Request("key-1", 1250)).status.ok());
  EXPECT_EQ(Create(provider, Request("key-1", 1300)).status.error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(provider.Charges(), SizeIs(1));
}

TEST(PaymentProvider, IgnoredKeyIsChargedEveryTimeAndCanBeFound) {
  TestProvider provider(Keys::kIgnored);
  ASSERT_TRUE(Create(provider, Request("key-1")).status.ok());
  ASSERT_TRUE(Create(provider, Request("key-1")).status.ok());
  EXPECT_THAT(provider.Charges(), SizeIs(2));
  EXPECT_THAT(Find(provider, "key-1").payments(), SizeIs(2));
}

TEST(PaymentProvider, DeclinesByAmountAndChargesNothing) {
  TestProvider provider(Keys::kHonoured);
  EXPECT_EQ(Create(provider, Request("key-1", 4013)).response.decline().code(),
            "insufficient_funds");
  EXPECT_EQ(Create(provider, Request("key-2", 250'001)).response.decline().code(),
            "limit_exceeded");
  EXPECT_TRUE(Create(provider, Request("key-3", 250'000)).response.has_payment());
  EXPECT_THAT(provider.Charges(), SizeIs(1));
}

TEST(PaymentProvider, LostRequestIsNotCharged) {
  TestProvider provider(Keys::kHonoured, {{.mishap = Mishap::kRequestLost}});
  EXPECT_EQ(Create(provider, Request("key-1")).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(provider.Charges(), IsEmpty());
  EXPECT_THAT(Find(provider, "key-1").payments(), IsEmpty());
}

TEST(PaymentProvider, LostReplyIsChargedAndCanBeFoundAndRepeated) {
  TestProvider provider(Keys::kHonoured, {{.mishap = Mishap::kReplyLost}});
  EXPECT_EQ(Create(provider, Request("key-1")).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  ASSERT_THAT(provider.Charges(), SizeIs(1));
  const auto found = Find(provider, "key-1");
  ASSERT_THAT(found.payments(), SizeIs(1));
  const Reply again = Create(provider, Request("key-1"));
  EXPECT_EQ(again.response.payment().reference(), found.payments(0).reference());
  EXPECT_THAT(provider.Charges(), SizeIs(1));
}

TEST(PaymentProvider, UnansweredCallIsChargedAndEndsWhenTheCallerGivesUp) {
  TestProvider provider(Keys::kHonoured, {{.mishap = Mishap::kNoReply}});
  grpc::ClientContext context;
  grpc::Status status;
  v1::CreatePaymentResponse response;
  std::thread caller(
      [&] { status = provider.Connect()->CreatePayment(&context, Request("key-1"), &response); });
  while (provider.Charges().empty()) std::this_thread::yield();
  context.TryCancel();
  caller.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_THAT(provider.Charges(), SizeIs(1));
}

TEST(PaymentProvider, RefusesIncompleteRequests) {
  TestProvider provider(Keys::kHonoured);
  std::vector<v1::CreatePaymentRequest> bad(6, Request("key-1"));
  bad[0].clear_idempotency_key();
  bad[1].set_idempotency_key(std::string(65, 'k'));
  bad[2].clear_order_id();
  bad[3].clear_customer();
  bad[4].set_amount_minor(0);
  bad[5].clear_currency();
  for (const auto& request : bad) {
    EXPECT_EQ(Create(provider, request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << request.ShortDebugString();
  }
  EXPECT_THAT(provider.Charges(), IsEmpty());
}

}  // namespace
}  // namespace latchkey::demo
