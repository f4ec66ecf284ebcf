#include "experiments/vla/sim/renderer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "core/error.h"

namespace pionbench::vla {
namespace {

/// Removes the geoms whose box lies wholly outside one of the planes of a square, symmetric view. A frame costs a few
/// microseconds per geom, and most walls and half of what stands on the table are outside the wrist camera's view.
void cull(mjvScene& scene) {
  const mjvGLCamera camera = mjv_averageCamera(scene.camera, scene.camera + 1);  // the scene has one for each eye
  const float slope = camera.frustum_top / camera.frustum_near;
  float right[3];
  mjtNum f[3], u[3], r[3];
  for (int i = 0; i < 3; ++i) f[i] = camera.forward[i], u[i] = camera.up[i];
  mju_cross(r, f, u);
  for (int i = 0; i < 3; ++i) right[i] = static_cast<float>(r[i]);
  // Outward normals; a point p is outside when n·(p − camera) > offset.
  struct Plane {
    float normal[3], offset;
  };
  std::array<Plane, 5> planes;
  for (int i = 0; i < 3; ++i) {
    planes[0].normal[i] = -camera.forward[i];
    planes[1].normal[i] = right[i] - slope * camera.forward[i];
    planes[2].normal[i] = -right[i] - slope * camera.forward[i];
    planes[3].normal[i] = camera.up[i] - slope * camera.forward[i];
    planes[4].normal[i] = -camera.up[i] - slope * camera.forward[i];
  }
  for (auto& plane : planes) plane.offset = 0;
  planes[0].offset = -camera.frustum_near;
  const auto outside = [&](const mjvGeom& geom) {
    if (geom.type == mjGEOM_PLANE) return false;
    float half[3] = {geom.size[0], geom.size[1], geom.size[2]};
    if (geom.type == mjGEOM_CAPSULE) half[2] += geom.size[0];
    return std::ranges::any_of(planes, [&](const Plane& plane) {
      float distance = -plane.offset, reach = 0;
      for (int axis = 0; axis < 3; ++axis) {
        float along = 0;
        for (int i = 0; i < 3; ++i) along += plane.normal[i] * geom.mat[3 * i + axis];
        reach += std::abs(along) * half[axis];
        distance += plane.normal[axis] * (geom.pos[axis] - camera.pos[axis]);
      }
      return distance > reach;
    });
  };
  scene.ngeom = static_cast<int>(std::remove_if(scene.geoms, scene.geoms + scene.ngeom, outside) - scene.geoms);
}

}  // namespace

Renderer::Renderer(const mjModel* model, int image_size, bool cull) : size_(image_size), cull_(cull) {
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
  if (cull_ && !shadows) cull(scene_);  // what is not seen may cast a shadow that is
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
