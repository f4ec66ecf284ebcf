#include "results/dashboard/pack.h"

#include <openssl/sha.h>
#include <zlib.h>

#include <stdexcept>

#include "results/base64.h"

namespace pionbench::dashboard {

std::string deflated(std::string_view bytes) {
  uLongf size = ::compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int code = ::compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                               reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uLong>(bytes.size()), 9);
  if (code != Z_OK) throw std::logic_error("zlib: compress2 gave " + std::to_string(code));
  out.resize(size);
  return out;
}

std::string script_hash(std::string_view script) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  ::SHA256(reinterpret_cast<const unsigned char*>(script.data()), script.size(), digest);
  return "'sha256-" + base64({reinterpret_cast<const char*>(digest), sizeof digest}) + "'";
}

}  // namespace pionbench::dashboard
