// PostgreSQL as people use it for this: a table whose unique key is the lock.
#pragma once

#include "tools/load_generator/system.h"

namespace latchkey::bench {

// A flow is INSERT .. ON CONFLICT, which takes the lock, and UPDATE, which stores the result; both
// prepared, each committed synchronously, over a unix socket. One statement in flight on each of up
// to 64 connections.
System PostgresqlSystem();

}  // namespace latchkey::bench
