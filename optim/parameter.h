#pragma once
/// What a parameter is. Models say it; optimizers route by it and never guess from shapes.

#include <torch/torch.h>

#include <string>

namespace pionbench::optim {

enum class Role {
  kMatrix,     ///< a hidden weight, used as a linear map
  kHeadsOut,   ///< query, key or value projection: heads split the output side (rows)
  kHeadsIn,    ///< attention output projection: heads split the input side (columns)
  kEmbedding,  ///< token or position table, patch embedding
  kOutput,     ///< the last layer: language-model head, action output
  kVector,     ///< norms, biases, gates: everything below two dimensions
};

enum class Modality { kVision, kLanguage, kAction, kOther };

struct Parameter {
  std::string name;  ///< unique within a model
  torch::Tensor tensor;
  Role role = Role::kMatrix;
  Modality modality = Modality::kOther;
  std::int64_t heads = 1;  ///< for kHeadsOut and kHeadsIn: query heads, or key/value heads under grouped queries
};

/// Is this a weight that a matrix optimizer owns?
inline bool is_matrix(Role role) {
  return role == Role::kMatrix || role == Role::kHeadsOut || role == Role::kHeadsIn;
}

}  // namespace pionbench::optim
