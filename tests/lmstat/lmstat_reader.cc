#include "tests/lmstat/lmstat_reader.h"

#include <cstdlib>
#include <regex>
#include <sstream>

namespace triad::lmstat {
namespace {

const std::regex& Pattern(int which) {
  static const auto* patterns = new std::vector<std::regex>{
      /*0*/ std::regex("License server status: (.*)"),
      /*1*/ std::regex(" *([^ :]+): license server UP (\\(MASTER\\) )?v([0-9.]+)"),
      /*2*/ std::regex(" *([^ :]+): Cannot connect to license server system\\..*"),
      /*3*/ std::regex(" *([^ ]+): UP v([0-9.]+)"),
      /*4*/
      std::regex("Users of (.*):  \\(Total of ([0-9]+) licenses? issued;  Total of ([0-9]+) "
                 "licenses? in use\\)"),
      /*5*/ std::regex("Users of (.*):  \\(Uncounted, node-locked\\)"),
      /*6*/
      std::regex("Users of (.*):  \\(Error: ([0-9]+) licenses?, unsupported by licensed server\\)"),
      /*7*/ std::regex("  \"(.*)\" v([^ ,]+), vendor: ([^,]+)(, expiry: (.*))?"),
      /*8*/ std::regex("  vendor_string: (.*)"),
      /*9*/
      std::regex("  (floating license|nodelocked license, locked to .*|uncounted nodelocked "
                 "license.*)"),
      /*10*/
      std::regex("    (.*) \\(v([^ ]*)\\) \\(([^ ]+/[0-9]+) ([0-9]+)\\), start ([A-Z][a-z]{2} "
                 "[0-9]+/[0-9]+ [0-9]+:[0-9]{2})(, ([0-9]+) licenses)?( \\(linger: ([0-9]+) / "
                 "([0-9]+)\\))?"),
      /*11*/
      std::regex("    (.*) \\(v([^ ]*)\\) \\(([^ ]+/[0-9]+) ([0-9]+)\\) queued for ([0-9]+) "
                 "licenses?"),
      /*12*/ std::regex("\t([0-9]+) RESERVATIONs? for ([A-Z_]+) (.*) \\(([^ ]+/[0-9]+)\\)"),
  };
  return (*patterns)[static_cast<size_t>(which)];
}

uint64_t Number(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 10);
}

class Reader {
 public:
  ReadStatus status;
  void Take(const std::string& line);

 private:
  bool TakeServer(const std::string& line);
  bool TakeFeature(const std::string& line);
  bool TakePool(const std::string& line);
  bool TakeUse(const std::string& line);

  std::string vendor_;
  std::smatch match_;
};

bool Reader::TakeServer(const std::string& line) {
  if (std::regex_match(line, match_, Pattern(0))) {
    std::stringstream addresses(match_[1].str());
    std::string address;
    while (std::getline(addresses, address, ',')) status.addresses.push_back(address);
    return true;
  }
  if (std::regex_match(line, match_, Pattern(1))) {
    status.servers.push_back({match_[1], true, match_[2].matched});
    return true;
  }
  if (std::regex_match(line, match_, Pattern(2))) {
    status.servers.push_back({match_[1], false, false});
    return true;
  }
  if (std::regex_match(line, match_, Pattern(3))) {
    vendor_ = match_[1];
    status.vendors_up.push_back(vendor_);
    return true;
  }
  return false;
}

bool Reader::TakeFeature(const std::string& line) {
  ReadFeature feature;
  feature.vendor = vendor_;
  if (std::regex_match(line, match_, Pattern(4))) {
    feature.issued = Number(match_[2]);
    feature.in_use = Number(match_[3]);
  } else if (std::regex_match(line, match_, Pattern(5))) {
    feature.uncounted = true;
  } else if (std::regex_match(line, match_, Pattern(6))) {
    feature.unsupported = true;
    feature.in_use = Number(match_[2]);
  } else {
    return false;
  }
  feature.name = match_[1];
  status.features.push_back(feature);
  return true;
}

bool Reader::TakePool(const std::string& line) {
  if (status.features.empty()) return false;
  std::vector<ReadPool>& pools = status.features.back().pools;
  if (std::regex_match(line, match_, Pattern(7))) {
    ReadPool pool;
    pool.version = match_[2];
    pool.expiry = match_[5];
    pools.push_back(pool);
    return true;
  }
  if (pools.empty()) return false;
  if (std::regex_match(line, match_, Pattern(8))) {
    pools.back().vendor_string = match_[1];
    return true;
  }
  if (std::regex_match(line, match_, Pattern(9))) {
    pools.back().kind = match_[1];
    return true;
  }
  return false;
}

bool Reader::TakeUse(const std::string& line) {
  if (status.features.empty() || status.features.back().pools.empty()) return false;
  ReadPool& pool = status.features.back().pools.back();
  ReadUse use;
  if (std::regex_match(line, match_, Pattern(10))) {
    use.start = match_[5];
    if (match_[7].matched) use.count = Number(match_[7]);
    use.lingers = match_[8].matched;
    use.lingered_s = Number(match_[9]);
    use.linger_s = Number(match_[10]);
  } else if (std::regex_match(line, match_, Pattern(11))) {
    use.count = Number(match_[5]);
  } else if (std::regex_match(line, match_, Pattern(12))) {
    pool.reservations.push_back({Number(match_[1]), match_[2], match_[3], match_[4]});
    return true;
  } else {
    return false;
  }
  use.who = match_[1];
  use.version = match_[2];
  use.server = match_[3];
  use.handle = Number(match_[4]);
  (use.start.empty() ? pool.waiting : pool.uses).push_back(use);
  return true;
}

void Reader::Take(const std::string& line) {
  if (line.empty() || line == "Feature usage info:" || line.rfind("lmutil", 0) == 0 ||
      line.rfind("Flexible", 0) == 0 || line.rfind("    License file(s) on ", 0) == 0 ||
      line.rfind("Vendor daemon status (on ", 0) == 0) {
    return;
  }
  if (TakeUse(line) || TakePool(line) || TakeFeature(line) || TakeServer(line)) return;
  status.not_understood.push_back(line);
}

}  // namespace

ReadStatus ReadLmstat(const std::string& text) {
  Reader reader;
  std::stringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) reader.Take(line);
  return reader.status;
}

}  // namespace triad::lmstat
