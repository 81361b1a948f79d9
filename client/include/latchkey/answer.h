// What comes back from a call that may fail: a value, or why there is none.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <variant>

namespace latchkey::inline client {

// Why a call has no value.
struct Error {
  // Whether the service has spoken.
  enum class Kind {
    // The service said no, and will say no again: `reason` tells why. Nothing changed through this
    // call.
    kRefused,
    // No usable answer came within the time given. Whether the call took effect is not known,
    // except where `reason` says so (OVERLOADED, QUOTA_EXCEEDED: it did not).
    kUnavailable,
  };
  // Look at this first.
  Kind kind = Kind::kUnavailable;
  // For programs: a name of latchkey.v1.Refusal.Reason, such as "FINGERPRINT_MISMATCH"; or the
  // library's own: CANCELLED (by a stop token), CLIENT_CLOSED (its last handle went), WOULD_BLOCK
  // (a blocking call on a thread of the library), CLIENT_AFTER_FORK (a handle of the parent
  // process), CREATE_REQUIRED, OUTCOME_REQUIRED, UNDELIVERED_LIMIT, OUTCOME_DAMAGED (a file of the
  // outbox could not be read), TOKEN_IN_PLAINTEXT (see ClientOptions::token). Empty where there is
  // none, for example because the service could not be reached.
  std::string reason = {};
  // For people.
  std::string message = {};
  // The changing values of the message, by name.
  std::map<std::string, std::string> metadata = {};
};

// A value or an Error. Never empty; reading the wrong one throws std::bad_variant_access.
template <typename T>
class [[nodiscard]] Answer {
 public:
  // NOLINTBEGIN(google-explicit-constructor): so that a function can return either as it is.
  // A value.
  Answer(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  // No value.
  Answer(Error error) : content_(std::in_place_index<1>, std::move(error)) {}
  // NOLINTEND(google-explicit-constructor)

  // Whether there is a value.
  bool ok() const { return content_.index() == 0; }
  // The value, if ok.
  const T& value() const { return std::get<0>(content_); }
  // The same, to be moved from.
  T& value() { return std::get<0>(content_); }
  // Why there is none, if not ok.
  const Error& error() const { return std::get<1>(content_); }

  // As value().
  const T& operator*() const { return value(); }
  // As value().
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Error> content_;
};

}  // namespace latchkey::inline client
