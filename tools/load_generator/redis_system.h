// Redis as people use it for this: a lock by SET NX, and the result beside it.
#pragma once

#include "tools/load_generator/system.h"

namespace latchkey::bench {

// How often Redis makes its log durable.
enum class RedisSync {
  kAlways,       // before every reply
  kEverySecond,  // what is a second old at most may be lost
};

// A flow is SET NX PX, GET for an earlier result, SET of the result, and a script that deletes the
// lock if it is still held. A connection for each flow.
System RedisSystem(RedisSync sync);

}  // namespace latchkey::bench
