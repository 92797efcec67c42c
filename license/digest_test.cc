#include "license/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace triad::license {
namespace {

TEST(Digest, Sha256OfTheStandardsExample) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abc").size(), 32u);
}

TEST(Digest, FieldsPutBehindOneAnotherKeepTheirBorders) {
  std::string one, other;
  AppendField(one, "ab");
  AppendField(one, "c");
  AppendField(other, "a");
  AppendField(other, "bc");
  EXPECT_NE(one, other);
}

}  // namespace
}  // namespace triad::license
