// PostgreSQL as people use it for this: a table whose unique key is the lock.
#pragma once

#include "tools/load_generator/system.h"

namespace latchkey::bench {

// How clients reach it: a unix socket, which is quicker, or loopback TCP, as we are reached.
enum class PostgresqlSocket { kUnix, kTcp };

// A flow is INSERT .. ON CONFLICT, which takes the lock, and UPDATE, which stores the result; both
// prepared, each committed synchronously. One statement in flight on each of up to 64 connections.
System PostgresqlSystem(PostgresqlSocket kind);

}  // namespace latchkey::bench
