#include "server/service/job_thread.h"

#include <utility>

namespace latchkey {

JobThread::JobThread(std::size_t jobs_max) : jobs_max_(jobs_max), thread_([this] { Run(); }) {}

JobThread::~JobThread() { Stop(); }

bool JobThread::Post(Job job) {
  MutexLock lock(mutex_);
  if (stopping_ || jobs_.size() >= jobs_max_) return false;
  jobs_.push_back(std::move(job));
  changed_.NotifyAll();
  return true;
}

void JobThread::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void JobThread::Run() {
  while (true) {
    Job job;
    bool stopping = false;
    {
      MutexLock lock(mutex_);
      while (jobs_.empty() && !stopping_) changed_.Wait(mutex_);
      if (jobs_.empty()) return;
      stopping = stopping_;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job(stopping);
  }
}

}  // namespace latchkey
