// etcd as people use it for this: its lock API, and transactions written by hand.
#pragma once

#include "tools/load_generator/system.h"

namespace latchkey::bench {

// A flow is Lock, Range for an earlier result, Put of the result, and Unlock, under one lease.
System EtcdLockSystem(int members = 1);

// A flow is two transactions: one takes the lock if there is neither lock nor result, the other
// stores the result and drops the lock if it is still held.
System EtcdTransactionSystem(int members = 1);

}  // namespace latchkey::bench
