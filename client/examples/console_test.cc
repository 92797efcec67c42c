#include "client/examples/console.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace triad::examples {
namespace {

class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest() {
    EXPECT_EQ(pipe(in_), 0);
    out_ = open_memstream(&text_, &size_);
    console_.emplace(in_[0], out_);
    console_->SetHandler([this](const Event& event) { console_->Say("event " + event.feature); });
  }
  ~ConsoleTest() override {
    console_.reset();
    std::fclose(out_);
    std::free(text_);
    close(in_[0]);
    close(in_[1]);
  }
  void Type(const std::string& text) {
    EXPECT_EQ(write(in_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void EndInput() {
    close(in_[1]);
    in_[1] = -1;
  }
  static Event Of(const std::string& feature) {
    Event event;
    event.feature = feature;
    return event;
  }
  std::string Text() {
    std::fflush(out_);
    return {text_, size_};
  }

  int in_[2] = {-1, -1};
  char* text_ = nullptr;
  size_t size_ = 0;
  std::FILE* out_ = nullptr;
  std::optional<Console> console_;
};

TEST_F(ConsoleTest, CommandsAreEchoedAndEndWithTheInput) {
  Type("login alice\nquit");
  EXPECT_EQ(console_->Next(), "login alice");
  EndInput();
  EXPECT_EQ(console_->Next(), "quit") << "also without an end of line";
  EXPECT_EQ(console_->Next(), std::nullopt);
  EXPECT_EQ(Text(), "> login alice\n> quit\n");
}

TEST_F(ConsoleTest, EventsAreSaidAfterTheEchoOfTheNextCommand) {
  console_->Post(Of("a"));
  EXPECT_EQ(Text(), "");
  Type("status\n");
  EXPECT_EQ(console_->Next(), "status");
  EXPECT_EQ(Text(), "> status\nevent a\n");
}

TEST_F(ConsoleTest, AWaitEndsWithAnEventBeforeItOrInIt) {
  console_->Post(Of("a"));
  Type("wait a\n");
  console_->Next();
  EXPECT_TRUE(console_->WaitFor("event a", 60'000));
  std::thread other([this] { console_->Post(Of("b")); });
  EXPECT_TRUE(console_->WaitFor("event b", 60'000));
  other.join();
  EXPECT_FALSE(console_->WaitFor("event b", 0)) << "each is waited for once";
  EXPECT_EQ(Text(), "> wait a\nevent a\nevent b\n");
}

TEST_F(ConsoleTest, WhatCommandsSayEndsNoWait) {
  console_->Say("event c");
  EXPECT_FALSE(console_->WaitFor("event c", 0));
}

}  // namespace
}  // namespace triad::examples
