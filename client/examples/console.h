// The example programs' way in and out: commands, one a line, are echoed and done one after the
// other; one line is printed per thing that happens.
//
// Events of the library come on its own thread. They wait here until the program's one thread takes
// them: with a script between two commands or in `wait`, so that a transcript is the same each
// time; at a terminal at once.
//
// Post may be called by any thread, all else by one.
#pragma once

#include <cstdio>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "triad/client.h"

namespace triad::examples {

class Console {
 public:
  // Reads `in`, which stays open; prints to `out`.
  Console(int in, std::FILE* out);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  using Handler = std::function<void(const Event&)>;
  void SetHandler(Handler handler) { handler_ = std::move(handler); }

  void Say(const std::string& line);
  // From any thread; beyond a limit the event is dropped.
  void Post(const Event& event);

  // The next command, echoed as "> command", then the events that have come. A remark (# or ! at
  // its beginning) is echoed as it is. nullopt at the end.
  std::optional<std::string> Next();
  // Until an event has been said, since the last call, with a line that holds `text`; false after
  // `timeout_ms`.
  bool WaitFor(const std::string& text, int timeout_ms);

 private:
  std::optional<std::string> ReadLine();
  // Hands the events that have come to the handler.
  void Handle();
  // Takes the lines up to the first with `text` out of what events had said.
  bool TakeSaid(const std::string& text);

  const int in_;
  std::FILE* const out_;
  const bool live_;  // at a terminal
  int wake_[2] = {-1, -1};
  std::string buffer_;
  Handler handler_;
  bool handling_ = false;
  std::vector<std::string> said_;  // by events, since the last WaitFor
  std::mutex mutex_;
  std::deque<Event> events_;  // guarded by mutex_
};

}  // namespace triad::examples
