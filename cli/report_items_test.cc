#include "cli/report_items.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace triad::cli {
namespace {

constexpr char kFile[] =
    "# what we bought\n"
    "[SIP seats]\n"
    "type = Concurrent\n"
    "unit = seat\n"
    "quantity = 100\n"
    "from = 2026-01-01\n"
    "to = 2026-12-31\n"
    "features = tserver_sdn, sip_*\n"
    "contact = licensing@acme.example\n"
    "\n"
    "[Supervisors]\n"
    "quantity = 5\n"
    "features = gui\n"
    "measure = users\n";

std::string Complaint(const std::string& text) {
  return std::string(ReadItems("items", text).status().message());
}

TEST(ReportItems, AreReadWithWhatTheAgreementSays) {
  setenv("TZ", "UTC", 1);
  const auto items = ReadItems("items", kFile);
  ASSERT_TRUE(items.ok()) << items.status();
  ASSERT_EQ(items->size(), 2u);
  const SellableItem& seats = items->front();
  EXPECT_EQ(seats.name, "SIP seats");
  EXPECT_EQ(seats.type, "Concurrent");
  EXPECT_EQ(seats.unit, "seat");
  EXPECT_EQ(seats.contact, "licensing@acme.example");
  EXPECT_TRUE(seats.Has("tserver_sdn"));
  EXPECT_TRUE(seats.Has("sip_seat"));
  EXPECT_FALSE(seats.Has("tserver"));
  EXPECT_EQ(items->back().measure, Measure::kUsers);
}

TEST(ReportItems, OutsideOfItsPeriodNothingIsEntitled) {
  const auto items = ReadItems("items", kFile);
  ASSERT_TRUE(items.ok());
  const SellableItem& seats = items->front();
  EXPECT_EQ(seats.QuantityAt(seats.from_ms), 100u);
  EXPECT_EQ(seats.QuantityAt(seats.from_ms - 1), 0u);
  EXPECT_EQ(seats.QuantityAt(seats.to_ms - 1), 100u) << "through the end of its last day";
  EXPECT_EQ(seats.QuantityAt(seats.to_ms), 0u);
  EXPECT_EQ(items->back().QuantityAt(0), 5u);
}

TEST(ReportItems, AWrongLineIsNamed) {
  EXPECT_EQ(Complaint("quantity = 1\n"), "items:1: before the first [NAME]");
  EXPECT_EQ(Complaint("[a]\nquantity = many\n"), "items:2: quantity is a whole number");
  EXPECT_EQ(Complaint("[a\n"), "items:1: an item begins [NAME]");
  EXPECT_EQ(Complaint("[a]\nhello\n"), "items:2: a line is WORD = VALUE, or [NAME]");
  EXPECT_EQ(Complaint("[a]\nmeasure = all\n"), "items:2: measure is most, sum or users");
  EXPECT_EQ(Complaint("[a]\nfeatures=x\n[a]\n"), "items:3: a stands twice");
  EXPECT_EQ(Complaint("[a]\nquantity = 1\n"), "items: a names no features");
}

}  // namespace
}  // namespace triad::cli
