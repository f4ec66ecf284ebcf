#include "experiments/vla/sim/renderer.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace pionbench::vla {

Renderer::Renderer(const mjModel* model, int image_size) : size_(image_size) {
  if (image_size < 8 || image_size > kMaxImageSize)
    throw UserError("image size is " + std::to_string(image_size) + ", allowed: 8 to " + std::to_string(kMaxImageSize));
  gl_ = GlContext::create();
  mjv_defaultScene(&scene_);
  mjv_defaultOption(&option_);
  mjr_defaultContext(&context_);
  for (int group = 0; group < mjNGROUP; ++group) option_.sitegroup[group] = 0;
  option_.flags[mjVIS_RANGEFINDER] = 0;
  constexpr int kMaxGeoms = 600;
  mjv_makeScene(model, &scene_, kMaxGeoms);
  mjr_makeContext(model, &context_, mjFONTSCALE_50);
  mjr_resizeOffscreen(image_size, image_size, &context_);
  mjr_setBuffer(mjFB_OFFSCREEN, &context_);
  if (context_.currentBuffer != mjFB_OFFSCREEN)
    throw UserError("rendering: " + gl_->name() + " gives no offscreen buffer");
  for (const int flag : {mjRND_REFLECTION, mjRND_SKYBOX, mjRND_FOG, mjRND_HAZE}) scene_.flags[flag] = 0;
}

Renderer::~Renderer() {
  mjr_freeContext(&context_);
  mjv_freeScene(&scene_);
}

void Renderer::render(const mjModel* model, mjData* data, int camera, std::span<unsigned char> rgb) {
  mjvCamera view;
  mjv_defaultCamera(&view);
  view.type = mjCAMERA_FIXED;
  view.fixedcamid = camera;
  bool shadows = false;
  for (int i = 0; i < model->nlight; ++i) shadows = shadows || model->light_castshadow[i];
  scene_.flags[mjRND_SHADOW] = shadows;
  mjv_updateScene(model, data, &option_, nullptr, &view, mjCAT_ALL, &scene_);
  const mjrRect area{0, 0, size_, size_};
  mjr_render(area, &scene_, &context_);
  mjr_readPixels(rgb.data(), nullptr, area, &context_);
}

void rotate_180(std::span<unsigned char> rgb) {
  std::size_t a = 0, b = rgb.size() / 3;
  while (a < b) {
    --b;
    for (std::size_t c = 0; c < 3; ++c) std::swap(rgb[3 * a + c], rgb[3 * b + c]);
    ++a;
  }
}

}  // namespace pionbench::vla
