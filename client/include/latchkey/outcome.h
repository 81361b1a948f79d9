// How the work of one attempt ended, in the words of who did it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace latchkey::inline client {

// What is kept of a final outcome and replayed to later callers. An outcome is never refused for
// its size: what is too long is cut or left out, and the stored result says so.
struct ResultFields {
  // Your short code, such as "captured" or "card_declined". 64 bytes.
  std::string code = {};
  // What the provider calls the effect, such as a payment id. 256 bytes. The most useful field
  // there is when something has to be looked up by hand.
  std::string provider_reference = {};
  // Media type of `payload`. 128 bytes.
  std::string content_type = {};
  // The body to replay. Opaque; 64 KiB unless the service is set up for more, and never above 1
  // MiB: the stored digest of a larger one is that of its first 1,048,577 bytes.
  std::string payload = {};
  // How long to keep the payload. Unset: the namespace's setting. How long the key is remembered is
  // not affected.
  std::optional<std::chrono::nanoseconds> retention = {};
};

// Exactly one of Succeeded, Rejected, NotExecuted and Unknown; made by the functions below.
class Outcome {
 public:
  // See the functions of these names.
  enum class Kind {
    kSucceeded,    // Succeeded
    kRejected,     // Rejected
    kNotExecuted,  // NotExecuted
    kUnknown,      // Unknown
  };

  // By which of the functions it was made.
  Kind kind() const { return kind_; }
  // Succeeded and Rejected are final: they are recorded and replayed to every later caller.
  bool is_final() const { return kind_ == Kind::kSucceeded || kind_ == Kind::kRejected; }
  // With a final outcome: what to record.
  const ResultFields& fields() const { return fields_; }
  // With NotExecuted and Unknown: why, as given. For people; not sent to the service.
  const std::string& detail() const { return detail_; }
  // See AfterAsking.
  bool after_asking() const { return after_asking_; }

  // With NotExecuted in mode RECOVER: the provider was asked about *every* attempt of this run,
  // after waiting out calls that may still have been on their way (see Attempt::doubt_age), and
  // none acted. Only then is the doubt ended. Without it NotExecuted speaks for this attempt alone,
  // and the key stays in doubt. No effect on other outcomes.
  [[nodiscard]] Outcome AfterAsking() && {
    after_asking_ = true;
    return std::move(*this);
  }

 private:
  friend Outcome Succeeded(ResultFields fields);
  friend Outcome Rejected(ResultFields fields);
  friend Outcome NotExecuted(std::string detail);
  friend Outcome Unknown(std::string detail);

  Outcome(Kind kind, ResultFields fields, std::string detail)
      : kind_(kind), fields_(std::move(fields)), detail_(std::move(detail)) {}

  Kind kind_;
  bool after_asking_ = false;
  ResultFields fields_;
  std::string detail_;
};

// The effect happened. Recorded, and replayed to every later caller.
[[nodiscard]] inline Outcome Succeeded(ResultFields fields) {
  return Outcome(Outcome::Kind::kSucceeded, std::move(fields), "");
}

// The effect was refused for good (a declined card) and did not happen. Recorded and replayed, too:
// a later call with the same key does not try again.
[[nodiscard]] inline Outcome Rejected(ResultFields fields) {
  return Outcome(Outcome::Kind::kRejected, std::move(fields), "");
}

// This attempt certainly did nothing: the request was never sent, or the provider documents its
// answer as "not executed". The key may be tried again. A time-out, a reset connection or a 5xx is
// *not* this.
[[nodiscard]] inline Outcome NotExecuted(std::string detail = {}) {
  return Outcome(Outcome::Kind::kNotExecuted, {}, std::move(detail));
}

// The effect may have happened or not. The key goes in doubt, and nobody runs the work blindly
// again.
[[nodiscard]] inline Outcome Unknown(std::string detail = {}) {
  return Outcome(Outcome::Kind::kUnknown, {}, std::move(detail));
}

}  // namespace latchkey::inline client
