#include "experiments/vla/data/png.h"

#include <zlib.h>

#include "core/error.h"
#include "core/files.h"

namespace pionbench::vla {
namespace {

void append_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

void append_chunk(std::string& out, const std::string& kind, const std::string& data) {
  append_u32(out, static_cast<std::uint32_t>(data.size()));
  const std::string body = kind + data;
  out += body;
  append_u32(out, static_cast<std::uint32_t>(
                      ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()))));
}

}  // namespace

void write_png(const std::filesystem::path& path, std::span<const unsigned char> rgb, int width, int height) {
  std::string rows;
  for (int y = 0; y < height; ++y) {
    rows += '\0';  // no filter
    rows.append(reinterpret_cast<const char*>(rgb.data()) + static_cast<std::size_t>(y) * width * 3,
                static_cast<std::size_t>(width) * 3);
  }
  uLongf size = ::compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
              static_cast<uLong>(rows.size()), Z_BEST_COMPRESSION);
  packed.resize(size);
  std::string out = "\x89PNG\r\n\x1a\n";
  std::string header;
  append_u32(header, static_cast<std::uint32_t>(width));
  append_u32(header, static_cast<std::uint32_t>(height));
  header += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB
  append_chunk(out, "IHDR", header);
  append_chunk(out, "IDAT", packed);
  append_chunk(out, "IEND", "");
  write_file_atomic(path, out);
}

TileSheet::TileSheet(int tile, int columns, int rows, int scale)
    : tile_(tile),
      scale_(scale),
      width_(columns * (tile * scale + kGap) + kGap),
      height_(rows * (tile * scale + kGap) + kGap),
      rgb_(static_cast<std::size_t>(width_) * height_ * 3, 255) {}

void TileSheet::put(int column, int row, std::span<const unsigned char> rgb, bool mirrored) {
  const int side = tile_ * scale_, x0 = kGap + column * (side + kGap), y0 = kGap + row * (side + kGap);
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const int sx = mirrored ? tile_ - 1 - x / scale_ : x / scale_;
      const unsigned char* from = rgb.data() + (static_cast<std::size_t>(y / scale_) * tile_ + sx) * 3;
      unsigned char* to = rgb_.data() + (static_cast<std::size_t>(y0 + y) * width_ + x0 + x) * 3;
      for (int c = 0; c < 3; ++c) to[c] = from[c];
    }
}

void TileSheet::write(const std::filesystem::path& path) const {
  write_png(path, rgb_, width_, height_);
}

}  // namespace pionbench::vla
