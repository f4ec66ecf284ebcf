#include "experiments/vla/sim/gl.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "core/error.h"

namespace pionbench::vla {
namespace {

/// Why one platform gave no context; caught here, joined into one message.
struct Unavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A library loaded for the whole process: MuJoCo finds GL's functions through the loader's global scope. Never closed.
class Library {
 public:
  explicit Library(const std::vector<const char*>& names) {
    for (const char* name : names)
      if ((handle_ = ::dlopen(name, RTLD_NOW | RTLD_GLOBAL))) return;
    throw Unavailable(std::string(names.front()) + " cannot be loaded");
  }
  template <typename Function>
  Function symbol(const char* name) const {
    auto* found = reinterpret_cast<Function>(::dlsym(handle_, name));
    if (!found) throw Unavailable(std::string("no function ") + name);
    return found;
  }

 private:
  void* handle_ = nullptr;
};

class OsmesaContext final : public GlContext {
 public:
  OsmesaContext() : library_({"libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"}) {
    // Frames are small: threads of llvmpipe's own cost more than they give, and one context per thread is enough.
    ::setenv("LP_NUM_THREADS", "0", 0);
    create_ = library_.symbol<Create>("OSMesaCreateContextExt");
    make_current_ = library_.symbol<MakeCurrent>("OSMesaMakeCurrent");
    destroy_ = library_.symbol<Destroy>("OSMesaDestroyContext");
    constexpr unsigned kRgba = 0x1908;  // GL_RGBA
    context_ = create_(kRgba, 24, 8, 0, nullptr);
    if (!context_) throw Unavailable("OSMesaCreateContextExt failed");
    make_current();
  }
  ~OsmesaContext() override { destroy_(context_); }
  std::string name() const override { return "OSMesa"; }
  void make_current() override {
    constexpr unsigned kUnsignedByte = 0x1401;  // GL_UNSIGNED_BYTE
    if (!make_current_(context_, window_.data(), kUnsignedByte, kSide, kSide))
      throw Unavailable("OSMesaMakeCurrent failed");
  }

 private:
  using Create = void* (*)(unsigned, int, int, int, void*);
  using MakeCurrent = unsigned char (*)(void*, void*, unsigned, int, int);
  using Destroy = void (*)(void*);
  static constexpr int kSide = 8;  // nothing is drawn here; frames go to an offscreen buffer
  Library library_;
  Create create_ = nullptr;
  MakeCurrent make_current_ = nullptr;
  Destroy destroy_ = nullptr;
  void* context_ = nullptr;
  std::array<std::uint32_t, kSide * kSide> window_{};
};

class EglContext final : public GlContext {
 public:
  EglContext() : library_({"libEGL.so.1", "libEGL.so"}) {
    ::setenv("LP_NUM_THREADS", "0", 0);
    const auto get_proc = library_.symbol<void* (*)(const char*)>("eglGetProcAddress");
    const auto initialize = library_.symbol<unsigned (*)(void*, int*, int*)>("eglInitialize");
    const auto bind_api = library_.symbol<unsigned (*)(unsigned)>("eglBindAPI");
    const auto choose = library_.symbol<unsigned (*)(void*, const int*, void**, int, int*)>("eglChooseConfig");
    const auto create = library_.symbol<void* (*)(void*, void*, void*, const int*)>("eglCreateContext");
    make_current_ = library_.symbol<unsigned (*)(void*, void*, void*, void*)>("eglMakeCurrent");
    destroy_ = library_.symbol<unsigned (*)(void*, void*)>("eglDestroyContext");
    const auto platform_display =
        reinterpret_cast<void* (*)(unsigned, void*, const int*)>(get_proc("eglGetPlatformDisplayEXT"));
    const auto query_devices = reinterpret_cast<unsigned (*)(int, void**, int*)>(get_proc("eglQueryDevicesEXT"));
    if (!platform_display) throw Unavailable("EGL has no eglGetPlatformDisplayEXT");

    constexpr unsigned kPlatformDevice = 0x313F, kPlatformSurfaceless = 0x31DD, kOpenglApi = 0x30A2;
    std::vector<void*> displays;
    if (query_devices) {
      std::array<void*, 16> devices{};
      int count = 0;
      if (query_devices(static_cast<int>(devices.size()), devices.data(), &count))
        for (int i = 0; i < count; ++i)
          displays.push_back(platform_display(kPlatformDevice, devices[static_cast<std::size_t>(i)], nullptr));
    }
    displays.push_back(platform_display(kPlatformSurfaceless, nullptr, nullptr));
    for (void* display : displays) {
      int major = 0, minor = 0;
      if (display && initialize(display, &major, &minor)) {
        display_ = display;
        break;
      }
    }
    if (!display_) throw Unavailable("no EGL display opens");
    if (!bind_api(kOpenglApi)) throw Unavailable("EGL has no desktop OpenGL");
    constexpr int kRenderableType = 0x3040, kOpenglBit = 8, kSurfaceType = 0x3033, kPbufferBit = 1, kNone = 0x3038;
    const int wanted[] = {kRenderableType, kOpenglBit, kSurfaceType, kPbufferBit, kNone};
    void* config = nullptr;
    int found = 0;
    if (!choose(display_, wanted, &config, 1, &found) || found < 1)
      throw Unavailable("EGL has no OpenGL configuration");
    context_ = create(display_, config, nullptr, nullptr);
    if (!context_) throw Unavailable("eglCreateContext failed");
    make_current();
  }
  ~EglContext() override {
    make_current_(display_, nullptr, nullptr, nullptr);
    destroy_(display_, context_);
  }
  std::string name() const override { return "EGL"; }
  void make_current() override {
    if (!make_current_(display_, nullptr, nullptr, context_))
      throw Unavailable("eglMakeCurrent without a surface failed");
  }

 private:
  Library library_;
  unsigned (*make_current_)(void*, void*, void*, void*) = nullptr;
  unsigned (*destroy_)(void*, void*) = nullptr;
  void* display_ = nullptr;
  void* context_ = nullptr;
};

}  // namespace

std::unique_ptr<GlContext> GlContext::create() {
  const char* variable = std::getenv("MUJOCO_GL");
  const std::string asked = variable ? variable : "";
  if (!asked.empty() && asked != "egl" && asked != "osmesa")
    throw UserError("MUJOCO_GL is \"" + asked + "\"; allowed: egl, osmesa, or unset");
  std::vector<std::string> order = {"osmesa", "egl"};
  if (::access("/dev/nvidiactl", F_OK) == 0) order = {"egl", "osmesa"};
  if (!asked.empty()) order = {asked};
  std::string reasons;
  for (const auto& platform : order) {
    try {
      if (platform == "egl") return std::make_unique<EglContext>();
      return std::make_unique<OsmesaContext>();
    } catch (const Unavailable& e) {
      reasons += (reasons.empty() ? "" : "; ") + platform + ": " + e.what();
    }
  }
  throw UserError("rendering camera images needs OpenGL, and there is none (" + reasons +
                  "). Install Debian's libosmesa6 for rendering on the CPU, or libegl1 with a GPU's driver; "
                  "MUJOCO_GL=egl or osmesa chooses");
}

std::string describe_gl() {
  try {
    return GlContext::create()->name();
  } catch (const UserError& e) {
    return std::string("none: ") + e.what();
  }
}

}  // namespace pionbench::vla
