#pragma once
/// Camera frames of scenes on one GL context; used only by the thread that made it.

#include <memory>
#include <span>

#include "experiments/vla/sim/gl.h"
#include "experiments/vla/sim/scene.h"

namespace pionbench::vla {

inline constexpr int kMaxImageSize = 512;

class Renderer {
 public:
  /// Any scene's model will do: all carry the same materials. `cull` leaves out what lies outside the view, for speed:
  /// the pictures are the same. Throws UserError when there is no GL.
  explicit Renderer(const mjModel* model, int image_size, bool cull = true);
  ~Renderer();
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;

  /// Needed before render where another context has been current in this thread.
  void make_current() { gl_->make_current(); }

  /// rgb: image_size² × 3 bytes in OpenGL's row order (bottom row first), as LIBERO stores images. `data` needs
  /// kinematics (mj_kinematics, mj_camlight). Lights of `model` that cast shadows do so, at some times the cost.
  void render(const mjModel* model, mjData* data, int camera, std::span<unsigned char> rgb);

 private:
  int size_;
  bool cull_;
  std::unique_ptr<GlContext> gl_;
  mjvScene scene_;
  mjvOption option_;
  mjrContext context_;
};

/// Both flips at once: LIBERO's policies look at images turned by 180 degrees, and so do ours. In place.
void rotate_180(std::span<unsigned char> rgb);

}  // namespace pionbench::vla
