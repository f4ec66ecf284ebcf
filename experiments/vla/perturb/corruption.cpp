// LIBERO-Plus's five image corruptions (the ImageNet-C family: Hendrycks and Dietterich 2019), on floats in [0, 255].

#include <algorithm>
#include <cmath>
#include <numbers>

#include "experiments/vla/perturb/perturbation.h"

namespace pionbench::vla {
namespace {

constexpr double kReferencePixels = 256;

struct Image {
  int size;
  std::vector<float> v;  // [size, size, 3]
  float& at(int y, int x, int c) { return v[(static_cast<std::size_t>(y) * size + x) * 3 + c]; }
  float at(int y, int x, int c) const { return v[(static_cast<std::size_t>(y) * size + x) * 3 + c]; }
  /// Bilinear, edges repeated.
  float sample(double y, double x, int c) const {
    y = std::clamp(y, 0., size - 1.);
    x = std::clamp(x, 0., size - 1.);
    const int y0 = static_cast<int>(y), x0 = static_cast<int>(x);
    const int y1 = std::min(y0 + 1, size - 1), x1 = std::min(x0 + 1, size - 1);
    const auto fy = static_cast<float>(y - y0), fx = static_cast<float>(x - x0);
    return (at(y0, x0, c) * (1 - fx) + at(y0, x1, c) * fx) * (1 - fy) +
           (at(y1, x0, c) * (1 - fx) + at(y1, x1, c) * fx) * fy;
  }
};

void gaussian_blur(Image& image, double sigma) {
  const int radius = static_cast<int>(std::ceil(4 * sigma));
  if (radius < 1) return;
  std::vector<float> kernel;
  float sum = 0;
  for (int i = -radius; i <= radius; ++i) {
    kernel.push_back(static_cast<float>(std::exp(-i * i / (2 * sigma * sigma))));
    sum += kernel.back();
  }
  for (float& k : kernel) k /= sum;
  for (const bool horizontal : {true, false}) {
    const Image source = image;
    for (int y = 0; y < image.size; ++y)
      for (int x = 0; x < image.size; ++x)
        for (int c = 0; c < 3; ++c) {
          float value = 0;
          for (int i = -radius; i <= radius; ++i) {
            const int yy = std::clamp(horizontal ? y : y + i, 0, image.size - 1);
            const int xx = std::clamp(horizontal ? x + i : x, 0, image.size - 1);
            value += kernel[i + radius] * source.at(yy, xx, c);
          }
          image.at(y, x, c) = value;
        }
  }
}

/// A one-sided gaussian of 2·radius + 1 taps along the angle, as ImageMagick's.
void motion_blur(Image& image, double radius, double sigma, double angle, double scale) {
  const Image source = image;
  const int taps = 2 * static_cast<int>(radius) + 1;
  float sum = 0;
  for (float& v : image.v) v = 0;
  for (int i = 0; i < taps; ++i) {
    const auto weight = static_cast<float>(std::exp(-i * i / (2 * sigma * sigma)));
    sum += weight;
    const double dy = i * scale * std::sin(angle), dx = i * scale * std::cos(angle);
    for (int y = 0; y < image.size; ++y)
      for (int x = 0; x < image.size; ++x)
        for (int c = 0; c < 3; ++c) image.at(y, x, c) += weight * source.sample(y + dy, x + dx, c);
  }
  for (float& v : image.v) v /= sum;
}

void zoom_blur(Image& image, double limit, double step) {
  const Image source = image;
  const double middle = (image.size - 1) / 2.;
  int count = 1;
  for (double zoom = 1; zoom < limit - 1e-9; zoom += step, ++count)
    for (int y = 0; y < image.size; ++y)
      for (int x = 0; x < image.size; ++x)
        for (int c = 0; c < 3; ++c)
          image.at(y, x, c) += source.sample(middle + (y - middle) / zoom, middle + (x - middle) / zoom, c);
  for (float& v : image.v) v /= static_cast<float>(count);
}

/// Diamond-square noise in [0, 1] on a torus of side 256.
std::vector<float> plasma(double decay, Random& random) {
  constexpr int kSide = 256;
  std::vector<float> map(kSide * kSide, 0.F);
  const auto at = [&](int y, int x) -> float& {
    return map[static_cast<std::size_t>((y & (kSide - 1)) * kSide + (x & (kSide - 1)))];
  };
  double wibble = 100;
  for (int step = kSide; step > 1; step /= 2, wibble /= decay) {
    const int half = step / 2;
    const auto shaken = [&](float sum) {
      return static_cast<float>(sum / 4 + wibble * random.uniform(-wibble, wibble));
    };
    for (int y = 0; y < kSide; y += step)
      for (int x = 0; x < kSide; x += step)
        at(y + half, x + half) = shaken(at(y, x) + at(y + step, x) + at(y, x + step) + at(y + step, x + step));
    for (int y = 0; y < kSide; y += step)
      for (int x = 0; x < kSide; x += step) {
        at(y, x + half) = shaken(at(y, x) + at(y, x + step) + at(y + half, x + half) + at(y - half, x + half));
        at(y + half, x) = shaken(at(y, x) + at(y + step, x) + at(y + half, x + half) + at(y + half, x - half));
      }
  }
  const auto [low, high] = std::ranges::minmax(map);
  for (float& v : map) v = (v - low) / std::max(high - low, 1e-6F);
  return map;
}

void fog(Image& image, double strength, double decay, Random& random) {
  const auto map = plasma(decay, random);
  const float brightest = *std::ranges::max_element(image.v) / 255;
  const auto s = static_cast<float>(strength);
  for (int y = 0; y < image.size; ++y)
    for (int x = 0; x < image.size; ++x) {
      const int my = y * 256 / image.size, mx = x * 256 / image.size;
      for (int c = 0; c < 3; ++c) {
        const float v = image.at(y, x, c) / 255 + s * map[static_cast<std::size_t>(my * 256 + mx)];
        image.at(y, x, c) = v * brightest / (brightest + s) * 255;
      }
    }
}

/// On at least kReferencePixels: enlarged bilinearly, reduced by means. Pixels that change places one by one
/// leave crumbs, which a small image would show as noise, not as glass.
template <typename Corruption>
void at_reference_size(Image& image, const Corruption& corruption) {
  const int factor = (static_cast<int>(kReferencePixels) + image.size - 1) / image.size;
  if (factor == 1) return corruption(image);
  Image large{image.size * factor, std::vector<float>(image.v.size() * static_cast<std::size_t>(factor * factor))};
  const double middle = (factor - 1) / 2.;
  for (int y = 0; y < large.size; ++y)
    for (int x = 0; x < large.size; ++x)
      for (int c = 0; c < 3; ++c) large.at(y, x, c) = image.sample((y - middle) / factor, (x - middle) / factor, c);
  corruption(large);
  const float share = 1.F / static_cast<float>(factor * factor);
  for (float& v : image.v) v = 0;
  for (int y = 0; y < large.size; ++y)
    for (int x = 0; x < large.size; ++x)
      for (int c = 0; c < 3; ++c) image.at(y / factor, x / factor, c) += share * large.at(y, x, c);
}

void glass_blur(Image& image, double sigma, int shift, int iterations, Random& random) {
  gaussian_blur(image, sigma);
  for (int k = 0; k < iterations; ++k)
    for (int y = image.size - shift - 1; y >= shift; --y)
      for (int x = image.size - shift - 1; x >= shift; --x) {
        const int dy = random.below(2 * shift) - shift, dx = random.below(2 * shift) - shift;  // numpy's randint
        for (int c = 0; c < 3; ++c) std::swap(image.at(y, x, c), image.at(y + dy, x + dx, c));
      }
  gaussian_blur(image, sigma);
}

}  // namespace

void corrupt(std::span<unsigned char> rgb, int size, int noise_number, Random& random) {
  struct Two {
    double a, b;
  };
  struct Glass {
    double sigma;
    int shift, iterations;
  };
  constexpr Two kMotion[] = {{5, 2},  {8, 3},   {10, 4},  {12, 5},  {15, 6},
                             {18, 8}, {20, 10}, {25, 12}, {30, 15}, {35, 20}};
  constexpr Two kZoom[] = {{1.10, .01}, {1.15, .01}, {1.20, .02}, {1.25, .02}, {1.30, .03},
                           {1.35, .01}, {1.40, .01}, {1.45, .02}, {1.50, .02}, {1.55, .03}};
  constexpr Two kFog[] = {{.5, 3},  {1, 2.8},   {1.5, 2.5}, {2, 2.2},   {2.5, 2},
                          {3, 1.8}, {3.5, 1.6}, {4, 1.5},   {4.5, 1.4}, {5, 1.3}};
  constexpr Glass kGlass[] = {{.5, 1, 3},  {.7, 1, 3},  {.9, 2, 3},  {1, 2, 2},   {1.1, 3, 2},
                              {1.3, 3, 2}, {1.5, 4, 2}, {1.8, 4, 2}, {2.2, 5, 1}, {2.5, 5, 1}};
  const double scale = size / kReferencePixels;
  const int family = (noise_number - 1) / 10, severity = (noise_number - 1) % 10;
  Image image{size, {rgb.begin(), rgb.end()}};
  switch (family) {
    case 0:
      motion_blur(image, kMotion[severity].a, kMotion[severity].b, random.uniform(-45, 45) * std::numbers::pi / 180,
                  scale);
      break;
    case 1:
      gaussian_blur(image, (severity + 1) * scale);
      break;
    case 2:
      zoom_blur(image, kZoom[severity].a, kZoom[severity].b);
      break;
    case 3:
      fog(image, kFog[severity].a, kFog[severity].b, random);
      break;
    default:
      at_reference_size(image, [&](Image& large) {
        const double of_reference = large.size / kReferencePixels;
        glass_blur(large, kGlass[severity].sigma * of_reference,
                   static_cast<int>(std::lround(kGlass[severity].shift * of_reference)), kGlass[severity].iterations,
                   random);
      });
  }
  std::ranges::transform(image.v, rgb.begin(),
                         [](float v) { return static_cast<unsigned char>(std::clamp(v + .5F, 0.F, 255.F)); });
}

}  // namespace pionbench::vla
