#include "tests/device/separate_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/NativeFunctions.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <map>
#include <mutex>
#include <stdexcept>

namespace pionbench {
namespace {

constexpr auto kType = c10::DeviceType::PrivateUse1;
constexpr std::size_t kBytes = std::size_t{16} << 30;  // addresses; pages come with their first use

/// One file in memory, mapped twice: for the device without any rights, for the host with all.
class Memory {
 public:
  static Memory& get() {
    static Memory memory;
    return memory;
  }

  /// Rounded up to a power of two, so that what is freed is used again.
  void* allocate(std::size_t bytes) {
    const std::size_t size = std::bit_ceil(std::max<std::size_t>(bytes, 64));
    const std::scoped_lock lock(mutex_);
    auto& free = free_[size];
    if (!free.empty()) {
      void* at = free.back();
      free.pop_back();
      return at;
    }
    TORCH_CHECK(used_ + size <= kBytes, "the separate device is out of memory");
    void* at = device_ + used_;
    used_ += size;
    sizes_[at] = size;
    return at;
  }
  void release(void* at) {
    const std::scoped_lock lock(mutex_);
    free_[sizes_.at(at)].push_back(at);
  }
  void* on_host(void* at) const { return at ? host_ + (static_cast<char*>(at) - device_) : nullptr; }
  bool holds(const void* at) const { return at >= device_ && at < device_ + kBytes; }

 private:
  Memory() {
    const int file = ::memfd_create("separate-device", MFD_CLOEXEC);
    if (file < 0 || ::ftruncate(file, static_cast<off_t>(kBytes)) != 0) throw std::runtime_error("memfd_create");
    const auto map = [&](int rights) {
      void* at = ::mmap(nullptr, kBytes, rights, MAP_SHARED | MAP_NORESERVE, file, 0);
      if (at == MAP_FAILED) throw std::runtime_error("mmap");
      return static_cast<char*>(at);
    };
    device_ = map(PROT_NONE);
    host_ = map(PROT_READ | PROT_WRITE);
    ::close(file);
  }

  std::mutex mutex_;
  char *device_ = nullptr, *host_ = nullptr;
  std::size_t used_ = 0;
  std::map<std::size_t, std::vector<void*>> free_;
  std::map<void*, std::size_t> sizes_;
};

/// Only to name the cause: the program ends as it would have.
void on_fault(int signal, siginfo_t* info, void*) {
  constexpr char kText[] = "host code follows a pointer into the separate device's memory\n";
  if (Memory::get().holds(info->si_addr)) [[maybe_unused]]
    const auto written = ::write(STDERR_FILENO, kText, sizeof(kText) - 1);
  std::signal(signal, SIG_DFL);
}

struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(std::size_t bytes) override {
    void* at = bytes ? Memory::get().allocate(bytes) : nullptr;
    return {at, at, &release, c10::Device(kType, 0)};
  }
  static void release(void* at) {
    if (at) Memory::get().release(at);
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(Memory::get().on_host(to), Memory::get().on_host(const_cast<void*>(from)), bytes);
  }
};
Allocator g_allocator;

struct Guard final : c10::impl::NoOpDeviceGuardImpl<kType> {
  c10::Device exchangeDevice(c10::Device) const override { return {kType, 0}; }
  c10::Device getDevice() const override { return {kType, 0}; }
  c10::Stream getStream(c10::Device) const noexcept override { return here(); }
  c10::Stream getNewStream(c10::Device, int) const override { return here(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return here(); }

 private:
  static c10::Stream here() { return c10::Stream(c10::Stream::DEFAULT, c10::Device(kType, 0)); }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

/// Gradients ask the device for its streams: there is one.
struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  // For torch::manual_seed alone; compute() lets no generator through.
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    static const auto generator = at::detail::createCPUGenerator();
    return generator;
  }
};

bool is_here(const at::Tensor& x) {
  return x.defined() && x.device().type() == kType;
}

/// The same numbers as a tensor of the CPU.
at::Tensor host_view(const at::Tensor& x) {
  void* at = Memory::get().on_host(x.storage().mutable_data());
  auto bytes = c10::Storage(c10::Storage::use_byte_size_t(), x.storage().nbytes(),
                            c10::DataPtr(at, c10::Device(c10::DeviceType::CPU)), nullptr, /*resizable=*/false);
  auto out =
      at::detail::make_tensor<c10::TensorImpl>(std::move(bytes), c10::DispatchKeySet(c10::DispatchKey::CPU), x.dtype());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(x.sizes(), x.strides(), x.storage_offset());
  return out;
}

at::Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::Tensor(at::detail::empty_generic(size, &g_allocator, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                              c10::dtype_or_default(dtype), format));
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::Tensor(at::detail::empty_strided_generic(
      size, stride, &g_allocator, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(dtype)));
}

const at::Tensor& resize_(const at::Tensor& self, c10::IntArrayRef size, std::optional<at::MemoryFormat>) {
  const auto bytes = static_cast<std::size_t>(c10::multiply_integers(size)) * self.itemsize();
  auto* storage = self.storage().unsafeGetStorageImpl();
  if (bytes > storage->nbytes()) {
    TORCH_CHECK(storage->nbytes() == 0, "the separate device resizes what is empty only");
    storage->set_data_ptr_noswap(g_allocator.allocate(bytes));
    storage->set_nbytes(bytes);
  }
  self.unsafeGetTensorImpl()->set_sizes_contiguous(size);
  return self;
}

at::Tensor& set_(at::Tensor& self, at::Storage storage, std::int64_t offset, c10::IntArrayRef size,
                 c10::IntArrayRef stride) {
  auto* x = self.unsafeGetTensorImpl();
  x->set_storage_keep_dtype(std::move(storage));
  x->set_sizes_and_strides(size, stride, offset);
  return self;
}

/// Between devices, in either direction, or within this one.
at::Tensor copy_from(const at::Tensor& self, const at::Tensor& to, bool) {
  (is_here(to) ? host_view(to) : to).copy_(is_here(self) ? host_view(self) : self);
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& self, const at::Tensor& to) {
  to.resize_(self.sizes());
  return copy_from(self, to, false);
}

/// A result of the CPU's, put here.
at::Tensor brought(const at::Tensor& x) {
  if (!x.defined() || !x.device().is_cpu()) return x;
  auto out = empty_strided(x.sizes(), x.strides(), x.scalar_type(), {}, {}, {});
  host_view(out).copy_(x);
  return out;
}

// Convolutions look at the device first and have operations of their own for foreign ones.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                       c10::IntArrayRef stride, c10::IntArrayRef padding, c10::IntArrayRef dilation, bool transposed,
                       c10::IntArrayRef output_padding, std::int64_t groups) {
  const auto b = bias && bias->defined() ? std::optional(host_view(*bias)) : std::nullopt;
  return brought(at::convolution(host_view(x), host_view(weight), b, stride, padding, dilation, transposed,
                                 output_padding, groups));
}
std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(const at::Tensor& gradient, const at::Tensor& x,
                                                                    const at::Tensor& weight, c10::IntArrayRef stride,
                                                                    c10::IntArrayRef padding, c10::IntArrayRef dilation,
                                                                    bool transposed, c10::IntArrayRef output_padding,
                                                                    std::int64_t groups, std::array<bool, 3> wanted) {
  const auto biases = std::vector<std::int64_t>{weight.size(transposed ? 1 : 0) * (transposed ? groups : 1)};
  const auto [dx, dw, db] =
      at::convolution_backward(host_view(gradient), host_view(x), host_view(weight), at::OptionalIntArrayRef(biases),
                               stride, padding, dilation, transposed, output_padding, groups, wanted);
  return {brought(dx), brought(dw), brought(db)};
}

/// Any other operation, by the CPU's kernel.
void compute(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const auto count = schema.arguments().size();
  const std::vector<c10::IValue> given(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
  const auto name = [&] { return schema.name() + ": "; };
  // What is written to and is empty may have to grow, which a view cannot.
  std::vector<std::pair<at::Tensor, at::Tensor>> grown;
  const auto moved = [&](const at::Tensor& x, bool is_written) {
    if (!x.defined()) return x;
    if (!is_here(x)) {
      TORCH_CHECK(!x.device().is_cpu() || x.dim() == 0, name(),
                  "expected all tensors to be on the same device, but one is on cpu");
      return x;
    }
    if (is_written && x.numel() == 0) {
      grown.emplace_back(x, at::empty(x.sizes(), x.options().device(c10::DeviceType::CPU)));
      return grown.back().second;
    }
    return host_view(x);
  };
  bool here = false;
  for (std::size_t i = 0; i < count; ++i) {
    auto& value = (*stack)[stack->size() - count + i];
    const auto* alias = schema.arguments()[i].alias_info();
    const bool is_written = alias && alias->isWrite();
    if (value.isTensor()) {
      here |= is_here(value.toTensor());
      value = moved(value.toTensor(), is_written);
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& x : value.toTensorVector()) {
        here |= is_here(x);
        list.push_back(moved(x, is_written));
      }
      value = list;
    } else if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor> x : value.toOptionalTensorList()) {
        here |= x && is_here(*x);
        list.push_back(x ? std::optional(moved(*x, false)) : x);
      }
      value = list;
    } else if (value.isDevice() && value.toDevice().type() == kType) {
      here = true;
      value = c10::Device(c10::DeviceType::CPU);
    } else if (value.isGenerator()) {
      TORCH_CHECK(!value.toGenerator().defined(), name(), "expected a generator of the device, got the CPU's");
    }
  }
  TORCH_CHECK(here, name(), "called for the separate device with nothing on it");
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  for (const auto& [original, host] : grown) {
    original.resize_(host.sizes());
    host_view(original).copy_(host);
  }

  const auto returns = schema.returns().size();
  for (std::size_t i = 0; i < returns; ++i) {
    auto& value = (*stack)[stack->size() - returns + i];
    const auto* alias = schema.returns()[i].alias_info();
    if (alias && !alias->isWrite()) TORCH_CHECK(false, name(), "gives a view, which the separate device does not know");
    if (alias) {
      // What was written to is given back itself.
      for (std::size_t a = 0; a < count; ++a)
        if (const auto* of = schema.arguments()[a].alias_info(); of && *of == *alias) value = given[a];
    } else if (value.isTensor()) {
      value = brought(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& x : value.toTensorVector()) list.push_back(brought(x));
      value = list;
    }
  }
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", TORCH_FN(empty));
  m.impl("empty_strided", TORCH_FN(empty_strided));
  m.impl("resize_", TORCH_FN(resize_));
  m.impl("set_.source_Storage_storage_offset", TORCH_FN(set_));
  m.impl("_copy_from", TORCH_FN(copy_from));
  m.impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  m.impl("convolution_overrideable", TORCH_FN(convolution));
  m.impl("convolution_backward_overrideable", TORCH_FN(convolution_backward));
  m.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  m.impl("view", TORCH_FN(at::native::view));
  m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  m.impl("unfold", TORCH_FN(at::native::unfold));
}
TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>());
}

torch::Device separate_device() {
  static const bool once = [] {
    Memory::get();
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGSEGV, &action, nullptr);
    c10::SetAllocator(kType, &g_allocator);
    c10::register_privateuse1_backend("separate");
    at::RegisterPrivateUse1HooksInterface(new Hooks);  // torch keeps it
    return true;
  }();
  static_cast<void>(once);
  return {kType, 0};
}

}  // namespace pionbench
