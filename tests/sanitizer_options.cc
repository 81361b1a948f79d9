// Settings of the sanitizers, linked into every test so that they hold however it is started. There
// are no suppressions: what runs under ThreadSanitizer is chosen (label tsan) so that it needs
// none.

extern "C" {

const char* __tsan_default_options() {
#ifdef LATCHKEY_BESIDE_ROCKSDB
  // RocksDB is not instrumented, so what its threads do among themselves is not seen whole. Races
  // of reads and writes in our own frames are still reported, but not those of memcpy and other
  // functions that ThreadSanitizer intercepts: on Linux the option leaves out what these touch,
  // whoever calls them.
  return "ignore_noninstrumented_modules=1:halt_on_error=1:second_deadlock_stack=1";
#else
  return "halt_on_error=1:second_deadlock_stack=1";
#endif
}

const char* __asan_default_options() {
  return "detect_stack_use_after_return=1:strict_string_checks=1";
}

const char* __ubsan_default_options() { return "print_stacktrace=1:halt_on_error=1"; }

}  // extern "C"
