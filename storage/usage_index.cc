#include "storage/usage_index.h"

#include <algorithm>
#include <vector>

#include "storage/bytes.h"
#include "storage/limits.h"

namespace triad::storage {

using license::UsageRange;

namespace {

constexpr size_t kNumberBytes = 8;

}  // namespace

void UsageIndex::Append(uint64_t number) {
  if (number < held_.next) {
    Fill(number);
    return;
  }
  ExpectBelow(number);
  held_.next = number + 1;
}

void UsageIndex::ExpectBelow(uint64_t next) {
  if (next <= held_.next) return;
  held_.missing.push_back({held_.next, next});
  held_.next = next;
  // More than can be: the two oldest become one, and what lies between them is fetched again.
  if (held_.missing.size() > kUsageGapsMax) {
    held_.missing[1].from = held_.missing[0].from;
    held_.missing.erase(held_.missing.begin());
  }
}

void UsageIndex::PruneBelow(uint64_t first) {
  if (first <= held_.first) return;
  held_.first = first;
  held_.next = std::max(held_.next, first);
  std::vector<UsageRange> left;
  for (const UsageRange& range : held_.missing) {
    if (range.to > first) left.push_back({std::max(range.from, first), range.to});
  }
  held_.missing = std::move(left);
}

bool UsageIndex::Fill(uint64_t number) {
  for (size_t i = 0; i < held_.missing.size(); ++i) {
    UsageRange& range = held_.missing[i];
    if (number < range.from || number >= range.to) continue;
    const UsageRange before{range.from, number};
    const UsageRange behind{number + 1, range.to};
    if (before.from == before.to && behind.from == behind.to) {
      held_.missing.erase(held_.missing.begin() + static_cast<ptrdiff_t>(i));
    } else if (before.from == before.to) {
      range = behind;
    } else if (behind.from == behind.to) {
      range = before;
    } else {
      range = before;
      held_.missing.insert(held_.missing.begin() + static_cast<ptrdiff_t>(i) + 1, behind);
    }
    return true;
  }
  return false;
}

std::string UsageIndex::Encode() const {
  std::string bytes;
  AppendNumber(held_.first, kNumberBytes, &bytes);
  AppendNumber(held_.next, kNumberBytes, &bytes);
  for (const UsageRange& range : held_.missing) {
    AppendNumber(range.from, kNumberBytes, &bytes);
    AppendNumber(range.to, kNumberBytes, &bytes);
  }
  return bytes;
}

bool UsageIndex::Decode(absl::string_view bytes) {
  if (bytes.size() < 2 * kNumberBytes || bytes.size() % (2 * kNumberBytes) != 0) return false;
  license::UsageHeld read;
  read.first = ReadNumber(bytes, 0, kNumberBytes);
  read.next = ReadNumber(bytes, kNumberBytes, kNumberBytes);
  if (read.first == 0 || read.next < read.first) return false;
  uint64_t end = read.first;
  for (size_t at = 2 * kNumberBytes; at < bytes.size(); at += 2 * kNumberBytes) {
    const UsageRange range{ReadNumber(bytes, at, kNumberBytes),
                           ReadNumber(bytes, at + kNumberBytes, kNumberBytes)};
    if (range.from < end || range.to <= range.from || range.to > read.next) return false;
    end = range.to;
    read.missing.push_back(range);
  }
  held_ = std::move(read);
  return true;
}

}  // namespace triad::storage
