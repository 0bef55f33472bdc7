#include "core/cpu/cpu_backend.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/cpu/cpu_mlp.h"
#include "core/cpu/cpu_problem.h"
#include "core/cpu/cpu_regression.h"
#include "core/cpu/split/split_mlp.h"

namespace trustregion {
namespace cpu {
namespace {

struct CpuWorkspace : Network::Workspace {
  AlignedFloats floats;
  TileActivations tile;  // points into floats
  float* head = nullptr;
};

class CpuNetwork : public Network {
 public:
  CpuNetwork(const MlpLayout& layout, const Kernels& kernels, std::span<const double> parameters)
      : mlp_(layout, kernels) {
    mlp_.pack(parameters, PackFor::forward, packed_);
  }

  std::unique_ptr<Workspace> makeWorkspace() const override {
    // Observations, hidden activations in two buffers by turns, SiLU's derivative, head.
    auto workspace = std::make_unique<CpuWorkspace>();
    const size_t size = kTileRows * mlp_.widestLayer();
    const size_t layers = mlp_.layout().layers().size();
    workspace->floats.resize(5 * size);
    float* buffer = workspace->floats.data();
    const auto& layerOf = mlp_.layout().layers();
    workspace->tile.input.push_back(rowMajor(buffer, mlp_.inputWidth()));
    for (size_t l = 1; l < layers; l++) {
      workspace->tile.input.push_back(
          inPanels(buffer + (1 + l % 2) * size, kTileRows, layerOf[l].inputs));
    }
    for (const LayerLayout& layer : layerOf) {
      workspace->tile.derivative.push_back(inPanels(buffer + 3 * size, kTileRows, layer.outputs));
    }
    workspace->head = buffer + 4 * size;
    return workspace;
  }

  void forward(NumberSpan observations, size_t rows, const ObservationScaling& scaling,
               double* outputs, Workspace& workspace) const override {
    auto& [floats, tile, head] = static_cast<CpuWorkspace&>(workspace);
    const size_t inputs = mlp_.layout().inputs();
    const size_t outputSize = mlp_.layout().outputs();
    for (size_t first = 0; first < rows; first += kTileRows) {
      const size_t count = std::min(kTileRows, rows - first);
      scaling.apply(observations.subspan(first * inputs, count * inputs), count, inputs,
                    tile.input[0].data, mlp_.inputWidth());
      mlp_.forward(packed_, count, tile, head);
      for (size_t i = 0; i < count; i++) {
        std::copy_n(head + i * mlp_.outputWidth(), outputSize, outputs + (first + i) * outputSize);
      }
    }
  }

 private:
  CpuMlp mlp_;
  std::vector<PackedLayer> packed_;
};

#if defined(__x86_64__) || defined(_M_X64)
bool hasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool hasAvx512() {
  return hasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

class CpuBackend : public Backend {
 public:
  CpuBackend(std::string name, std::string description, const Kernels& kernels, bool isSupported)
      : name_(std::move(name)),
        description_(std::move(description)),
        kernels_(&kernels),
        isSupported_(isSupported) {}

  const Kernels& kernels() const { return *kernels_; }
  std::string name() const override { return name_; }
  std::string description() const override { return description_; }
  bool isSupported() const override { return isSupported_; }
  void prepare() const override {
    if (kernels_->split != nullptr) requireUnit(*kernels_->split);
  }
  std::string precision() const override { return "float32"; }
  std::string productPrecision() const override {
    if (kernels_->split == nullptr) return precision();
    return kernels_->split->operatorUnits == 1 ? "bfloat16x2" : "bfloat16x3";
  }

  void roundParameters(std::span<double> parameters) const override {
    for (double& value : parameters) value = static_cast<float>(value);
  }

  std::unique_ptr<Network> makeNetwork(const MlpLayout& layout,
                                       std::span<const double> parameters) const override {
    return std::make_unique<CpuNetwork>(layout, *kernels_, parameters);
  }

  std::unique_ptr<Problem> makeProblem(const PolicyModel& model, std::span<const double> parameters,
                                       const ObservationScaling& scaling,
                                       const RolloutView& rollout,
                                       const Resources& resources) const override {
    return std::make_unique<CpuProblem>(model, *kernels_, parameters, scaling, rollout, resources);
  }

  std::unique_ptr<RegressionProblem> makeRegressionProblem(
      const MlpLayout& layout, NumberSpan inputs, std::span<const double> targets, size_t rows,
      const ObservationScaling& scaling, unsigned threads) const override {
    inputs.requireSize("observations", rows * layout.inputs(), "rows x observationSize");
    return std::make_unique<CpuRegression>(layout, *kernels_, inputs, targets, scaling, threads);
  }

 private:
  std::string name_;
  std::string description_;
  const Kernels* kernels_;
  bool isSupported_;
};

}  // namespace
}  // namespace cpu

const std::vector<const Backend*>& cpuBackends() {
  using cpu::CpuBackend;
  // Never destroyed: an update may still use a backend while the process runs static destructors.
  static const auto& backends = *new std::vector<const Backend*> {
#if defined(__x86_64__) || defined(_M_X64)
    new CpuBackend("cpu-avx512", "float32, 16 lanes, AVX-512", cpu::avx512Kernels(),
                   cpu::hasAvx512()),
        new CpuBackend("cpu-avx2", "float32, 8 lanes, AVX2 and FMA", cpu::avx2Kernels(),
                       cpu::hasAvx2()),
        new CpuBackend("cpu-amx",
                       "float32, 16 lanes, AVX-512; Fisher products of pairs of bfloat16, AMX",
                       cpu::amxKernels(), cpu::hasAvx512() && cpu::hasAmx()),
        new CpuBackend("cpu-amx-bf16",
                       "float32, 16 lanes, AVX-512; Fisher products of a network rounded to "
                       "bfloat16, AMX",
                       cpu::amxRoundedKernels(), cpu::hasAvx512() && cpu::hasAmx()),
#endif
        new CpuBackend("cpu-baseline", "float32, 4 lanes, SSE2 or NEON", cpu::baselineKernels(),
                       true)
  };
  return backends;
}

const cpu::Kernels* kernelsOf(const Backend& backend) {
  const auto& backends = cpuBackends();
  if (std::find(backends.begin(), backends.end(), &backend) == backends.end()) return nullptr;
  return &static_cast<const cpu::CpuBackend&>(backend).kernels();
}

const DenseKernels& denseKernels() {
#if defined(__x86_64__) || defined(_M_X64)
  if (cpu::hasAvx512()) return cpu::avx512DenseKernels();
  if (cpu::hasAvx2()) return cpu::avx2DenseKernels();
#endif
  return cpu::baselineDenseKernels();
}

}  // namespace trustregion
