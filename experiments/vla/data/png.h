#pragma once
/// PNG files of RGB images, for people to look at.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace pionbench::vla {

/// rgb: height × width × 3, top row first. Throws UserError when the file cannot be written.
void write_png(const std::filesystem::path& path, std::span<const unsigned char> rgb, int width, int height);

/// A picture of equal square tiles, `columns` to a row, with a gap between them, on white.
class TileSheet {
 public:
  TileSheet(int tile, int columns, int rows, int scale = 1);
  /// Puts an image of tile × tile pixels, magnified by `scale`; `mirrored` images (turned by 180 degrees from OpenGL's
  /// order, as policies see them) are shown as an eye would see them.
  void put(int column, int row, std::span<const unsigned char> rgb, bool mirrored = true);
  void write(const std::filesystem::path& path) const;

 private:
  static constexpr int kGap = 4;
  int tile_, scale_, width_, height_;
  std::vector<unsigned char> rgb_;
};

}  // namespace pionbench::vla
