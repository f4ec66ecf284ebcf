#pragma once
/// As much of HDF5 as demonstrations need. Every failure is a UserError that names the file, the dataset, what came
/// and what was expected. HDF5's C library keeps global state: calls are serialised by one lock here.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace pionbench::vla {

using Shape = std::vector<std::uint64_t>;
std::string to_text(const Shape& shape);  ///< "(12, 64, 64, 3)"

class Hdf5File {
 public:
  /// An existing file, for reading.
  static Hdf5File open(const std::filesystem::path& path);
  /// A new file; an existing one is replaced. Write beside the final name and rename: see DemonstrationWriter.
  static Hdf5File create(const std::filesystem::path& path);
  ~Hdf5File();
  Hdf5File(Hdf5File&& other) noexcept;
  Hdf5File& operator=(Hdf5File&&) = delete;
  void close();  ///< flushes; throws on a full disk, which the destructor cannot

  bool exists(const std::string& path) const;
  /// Names of the groups and datasets in a group, in HDF5's own order (alphabetical).
  std::vector<std::string> members(const std::string& group) const;
  Shape shape(const std::string& dataset) const;
  /// Row-major; numbers are converted. An extent of kAny in `expected` allows any size.
  static constexpr std::uint64_t kAny = ~0ULL;
  std::vector<float> read_floats(const std::string& dataset, const Shape& expected) const;
  std::vector<double> read_doubles(const std::string& dataset, const Shape& expected) const;
  std::vector<unsigned char> read_bytes(const std::string& dataset, const Shape& expected) const;
  /// "" when there is no such attribute or it is no string.
  std::string text_attribute(const std::string& object, const std::string& name) const;

  /// Missing parent groups are made.
  void write(const std::string& dataset, std::span<const double> values, const Shape& shape);
  void write(const std::string& dataset, std::span<const unsigned char> values, const Shape& shape);
  void make_group(const std::string& group);
  void set_attribute(const std::string& object, const std::string& name, const std::string& text);
  void set_attribute(const std::string& object, const std::string& name, std::int64_t value);
  void set_attribute(const std::string& object, const std::string& name, std::span<const double> values);

 private:
  Hdf5File(std::int64_t file, std::string path) : file_(file), path_(std::move(path)) {}
  template <typename T>
  std::vector<T> read(const std::string& dataset, const Shape& expected, std::int64_t type) const;
  void write_raw(const std::string& dataset, const void* values, const Shape& shape, std::int64_t type,
                 std::size_t count);
  void write_attribute(const std::string& object, const std::string& name, std::int64_t type, std::int64_t space,
                       const void* value);
  [[noreturn]] void fail(const std::string& what) const;

  std::int64_t file_;
  std::string path_;
};

}  // namespace pionbench::vla
