#include "experiments/vla/data/hdf5_file.h"

#include <hdf5.h>

#include <mutex>
#include <utility>

#include "core/error.h"

namespace pionbench::vla {
namespace {

static_assert(sizeof(hid_t) == sizeof(std::int64_t), "HDF5 1.10 or later");

/// Entered around every group of HDF5 calls; the first entry silences HDF5's printing of its error stack.
std::unique_lock<std::recursive_mutex> enter() {
  static std::recursive_mutex mutex;
  std::unique_lock lock(mutex);
  static const bool kQuiet = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  (void)kQuiet;
  return lock;
}

/// The innermost message of HDF5's error stack.
std::string reason() {
  std::string text;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_DOWNWARD,
      [](unsigned, const H5E_error2_t* e, void* out) -> herr_t {
        if (e->desc && *e->desc) *static_cast<std::string*>(out) = e->desc;
        return 0;
      },
      &text);
  return text.empty() ? "no reason given" : text;
}

/// An identifier that is closed with its scope.
class Id {
 public:
  Id(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Id() {
    if (id_ >= 0) close_(id_);
  }
  Id(const Id&) = delete;
  Id& operator=(const Id&) = delete;
  operator hid_t() const { return id_; }
  bool bad() const { return id_ < 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

std::uint64_t elements(const Shape& shape) {
  std::uint64_t n = 1;
  for (const auto extent : shape) n *= extent;
  return n;
}

}  // namespace

std::string to_text(const Shape& shape) {
  std::string out = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    out += (i ? ", " : "") + (shape[i] == Hdf5File::kAny ? std::string("any") : std::to_string(shape[i]));
  return out + ")";
}

void Hdf5File::fail(const std::string& what) const {
  throw UserError(path_ + ": " + what);
}

Hdf5File Hdf5File::open(const std::filesystem::path& path) {
  const auto lock = enter();
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) throw UserError(path.string() + ": no such file");
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file < 0)
    throw UserError(path.string() + ": not an HDF5 file, or a damaged one (HDF5: " + reason() +
                    "); download or record it again");
  return {file, path.string()};
}

Hdf5File Hdf5File::create(const std::filesystem::path& path) {
  const auto lock = enter();
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  if (file < 0) throw UserError(path.string() + ": cannot be created (HDF5: " + reason() + ")", kInternal);
  return {file, path.string()};
}

Hdf5File::Hdf5File(Hdf5File&& other) noexcept : file_(std::exchange(other.file_, -1)), path_(std::move(other.path_)) {}

Hdf5File::~Hdf5File() {
  const auto lock = enter();
  if (file_ >= 0) H5Fclose(file_);
}

void Hdf5File::close() {
  const auto lock = enter();
  const bool flushed = H5Fflush(file_, H5F_SCOPE_GLOBAL) >= 0;
  const std::string why = flushed ? "" : reason();
  H5Fclose(std::exchange(file_, -1));
  if (!flushed) throw UserError(path_ + ": cannot be written (HDF5: " + why + ")", kInternal);
}

bool Hdf5File::exists(const std::string& path) const {
  const auto lock = enter();
  for (std::size_t at = path.find('/');; at = path.find('/', at + 1)) {  // H5Lexists wants every parent to exist
    if (H5Lexists(file_, path.substr(0, at).c_str(), H5P_DEFAULT) <= 0) return false;
    if (at == std::string::npos) return true;
  }
}

std::vector<std::string> Hdf5File::members(const std::string& group) const {
  const auto lock = enter();
  if (!exists(group)) fail("has no group \"" + group + "\"");
  const Id id(H5Gopen2(file_, group.c_str(), H5P_DEFAULT), H5Gclose);
  if (id.bad()) fail("\"" + group + "\" is no group");
  std::vector<std::string> out;
  const auto visit = [](hid_t, const char* name, const H5L_info_t*, void* data) -> herr_t {
    static_cast<std::vector<std::string>*>(data)->push_back(name);
    return 0;
  };
  if (H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, nullptr, visit, &out) < 0)
    fail("group \"" + group + "\" cannot be read (HDF5: " + reason() + ")");
  return out;
}

Shape Hdf5File::shape(const std::string& dataset) const {
  const auto lock = enter();
  if (!exists(dataset)) fail("has no dataset \"" + dataset + "\"");
  const Id id(H5Dopen2(file_, dataset.c_str(), H5P_DEFAULT), H5Dclose);
  if (id.bad()) fail("\"" + dataset + "\" is no dataset, or damaged (HDF5: " + reason() + ")");
  const Id space(H5Dget_space(id), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space);
  std::vector<hsize_t> extents(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space, extents.data(), nullptr);
  return {extents.begin(), extents.end()};
}

template <typename T>
std::vector<T> Hdf5File::read(const std::string& dataset, const Shape& expected, std::int64_t type) const {
  const auto lock = enter();
  const Shape found = shape(dataset);
  bool fits = found.size() == expected.size();
  for (std::size_t i = 0; fits && i < found.size(); ++i) fits = expected[i] == kAny || expected[i] == found[i];
  if (!fits) fail("dataset \"" + dataset + "\" has shape " + to_text(found) + ", expected " + to_text(expected));
  constexpr std::uint64_t kMost = 1ULL << 34;  // elements; a demonstration has some 10^8
  if (elements(found) > kMost)
    fail("dataset \"" + dataset + "\" claims shape " + to_text(found) + ", which is not credible");
  const Id id(H5Dopen2(file_, dataset.c_str(), H5P_DEFAULT), H5Dclose);
  const Id stored(H5Dget_type(id), H5Tclose);
  const H5T_class_t kind = H5Tget_class(stored);
  if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM)
    fail("dataset \"" + dataset + "\" holds no numbers");
  std::vector<T> out(elements(found));
  if (!out.empty() && H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out.data()) < 0)
    fail("dataset \"" + dataset + "\" cannot be read (HDF5: " + reason() + "); the file is damaged");
  return out;
}

std::vector<float> Hdf5File::read_floats(const std::string& dataset, const Shape& expected) const {
  return read<float>(dataset, expected, H5T_NATIVE_FLOAT);
}
std::vector<double> Hdf5File::read_doubles(const std::string& dataset, const Shape& expected) const {
  return read<double>(dataset, expected, H5T_NATIVE_DOUBLE);
}
std::vector<unsigned char> Hdf5File::read_bytes(const std::string& dataset, const Shape& expected) const {
  return read<unsigned char>(dataset, expected, H5T_NATIVE_UCHAR);
}

std::string Hdf5File::text_attribute(const std::string& object, const std::string& name) const {
  const auto lock = enter();
  if (!exists(object) || H5Aexists_by_name(file_, object.c_str(), name.c_str(), H5P_DEFAULT) <= 0) return "";
  const Id id(H5Aopen_by_name(file_, object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const Id type(H5Aget_type(id), H5Tclose);
  const Id space(H5Aget_space(id), H5Sclose);
  if (id.bad() || H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1) return "";
  std::string out;
  if (H5Tis_variable_str(type) > 0) {
    char* text = nullptr;
    const Id memory(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    if (H5Aread(id, memory, &text) >= 0 && text) {
      out = text;
      H5free_memory(text);
    }
  } else {
    out.resize(H5Tget_size(type));
    if (H5Aread(id, type, out.data()) < 0) return "";
    out.resize(std::min(out.size(), out.find('\0') == std::string::npos ? out.size() : out.find('\0')));
  }
  return out;
}

void Hdf5File::make_group(const std::string& group) {
  const auto lock = enter();
  if (exists(group)) return;
  const Id parents(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(parents, 1);
  const Id id(H5Gcreate2(file_, group.c_str(), parents, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
  if (id.bad())
    throw UserError(path_ + ": group \"" + group + "\" cannot be written (HDF5: " + reason() + ")", kInternal);
}

void Hdf5File::write_raw(const std::string& dataset, const void* values, const Shape& shape, std::int64_t type,
                         std::size_t count) {
  const auto lock = enter();
  if (elements(shape) != count)
    throw std::logic_error("dataset " + dataset + ": " + std::to_string(count) + " values for " + to_text(shape));
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  const Id space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
  const Id parents(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(parents, 1);
  const Id id(H5Dcreate2(file_, dataset.c_str(), type, space, parents, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  if (id.bad() || H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
    throw UserError(path_ + ": dataset \"" + dataset + "\" cannot be written (HDF5: " + reason() + ")", kInternal);
}

void Hdf5File::write(const std::string& dataset, std::span<const double> values, const Shape& shape) {
  write_raw(dataset, values.data(), shape, H5T_NATIVE_DOUBLE, values.size());
}
void Hdf5File::write(const std::string& dataset, std::span<const unsigned char> values, const Shape& shape) {
  write_raw(dataset, values.data(), shape, H5T_NATIVE_UCHAR, values.size());
}

void Hdf5File::write_attribute(const std::string& object, const std::string& name, std::int64_t type,
                               std::int64_t space, const void* value) {
  const Id id(
      H5Acreate_by_name(file_, object.c_str(), name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose);
  if (id.bad() || H5Awrite(id, type, value) < 0)
    throw UserError(path_ + ": attribute \"" + name + "\" cannot be written (HDF5: " + reason() + ")", kInternal);
}

void Hdf5File::set_attribute(const std::string& object, const std::string& name, const std::string& text) {
  const auto lock = enter();
  // Variable length and UTF-8, as h5py writes a str.
  const Id type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  const Id space(H5Screate(H5S_SCALAR), H5Sclose);
  const char* value = text.c_str();
  write_attribute(object, name, type, space, static_cast<const void*>(&value));
}

void Hdf5File::set_attribute(const std::string& object, const std::string& name, std::int64_t value) {
  const auto lock = enter();
  const Id space(H5Screate(H5S_SCALAR), H5Sclose);
  write_attribute(object, name, H5T_NATIVE_INT64, space, &value);
}

void Hdf5File::set_attribute(const std::string& object, const std::string& name, std::span<const double> values) {
  const auto lock = enter();
  const hsize_t extent = values.size();
  const Id space(H5Screate_simple(1, &extent, nullptr), H5Sclose);
  write_attribute(object, name, H5T_NATIVE_DOUBLE, space, values.data());
}

}  // namespace pionbench::vla
