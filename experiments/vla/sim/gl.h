#pragma once
/// A headless OpenGL context, bound to the thread that makes it. EGL and OSMesa are loaded at run time, so that one
/// build runs on a GPU machine without OSMesa and on a CPU machine without a GPU.

#include <memory>
#include <string>

namespace pionbench::vla {

class GlContext {
 public:
  virtual ~GlContext() = default;
  virtual std::string name() const = 0;  ///< "EGL" or "OSMesa"
  virtual void make_current() = 0;

  /// The environment variable MUJOCO_GL (egl, osmesa) decides, as for MuJoCo's Python package; without it EGL comes
  /// first where an NVIDIA device is, else OSMesa, and the other one if that fails. Throws UserError that says why
  /// each failed and what to install. The context is current on return.
  static std::unique_ptr<GlContext> create();
};

/// "OSMesa" or "EGL", or the reason why there is none: for `doctor`.
std::string describe_gl();

}  // namespace pionbench::vla
