#include "storage/etcd/etcd_files.h"

#include <fstream>
#include <iterator>

namespace latchkey::storage {
namespace {

// Does nothing where no file is named.
absl::Status ReadInto(const char* setting, const std::string& path, std::string& text) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path, std::ios::binary);
  text.assign(std::istreambuf_iterator<char>(file), {});
  if (file.bad() || text.empty()) {
    return absl::NotFoundError(std::string(setting) + ": " + path + " cannot be read, or is empty");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadEtcdFiles(const EtcdFiles& files, EtcdOptions& options) {
  for (const absl::Status& read :
       {ReadInto("etcd_ca", files.ca, options.ca),
        ReadInto("etcd_certificate", files.certificate, options.certificate),
        ReadInto("etcd_key", files.key, options.key),
        ReadInto("etcd_password_file", files.password_file, options.password)}) {
    if (!read.ok()) return read;
  }
  if (options.certificate.empty() != options.key.empty()) {
    return absl::InvalidArgumentError("etcd_certificate and etcd_key are given together");
  }
  if (options.ca.empty() && !options.certificate.empty()) {
    return absl::InvalidArgumentError("etcd_certificate needs etcd_ca");
  }
  if (files.user.empty() != options.password.empty()) {
    return absl::InvalidArgumentError("etcd_user and etcd_password_file are given together");
  }
  while (!options.password.empty() && options.password.back() == '\n') options.password.pop_back();
  options.user = files.user;
  return absl::OkStatus();
}

}  // namespace latchkey::storage
