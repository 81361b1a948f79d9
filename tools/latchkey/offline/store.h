// What the subcommands share that work on a store which no server has open.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/etcd/etcd_files.h"
#include <CLI/CLI.hpp>

namespace latchkey::cli {

// The directory of "rocksdb:DIRECTORY", or of a bare DIRECTORY.
std::string DirectoryOf(const std::string& store);

// Whether it is "etcd://...", or means to be.
bool IsEtcd(const std::string& store);
void AddEtcdOptions(CLI::App& sub, storage::EtcdFiles& files);
// Nothing is done in the background.
absl::StatusOr<storage::EtcdOptions> EtcdOptionsOf(const std::string& store,
                                                   const storage::EtcdFiles& files);

void AddTokenFloorOption(CLI::App& sub, std::uint64_t& floor);
// What a restore did to the tokens, as fields of a JSON object and as lines.
std::string TokensMovedJson(std::uint64_t before, std::uint64_t now);
std::string TokensMovedText(std::uint64_t before, std::uint64_t now);

// Says what is wrong, on one line, and gives the code to end with.
int FailOffline(const absl::Status& status);

}  // namespace latchkey::cli
