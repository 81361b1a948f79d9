// What it takes to be let into an etcd cluster, as files, which people name.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "storage/etcd/etcd_options.h"

namespace latchkey::storage {

// PEM files, and one with a password. All of it may be empty.
struct EtcdFiles {
  std::string ca;
  std::string certificate;
  std::string key;
  std::string user;
  std::string password_file;
};

// Reads them into `options`. An error names the setting that is wrong: etcd_ca and so on.
absl::Status ReadEtcdFiles(const EtcdFiles& files, EtcdOptions& options);

}  // namespace latchkey::storage
