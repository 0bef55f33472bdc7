#include "core/cpu/cpu_mlp.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/cpu/split/split_kernels.h"
#include "core/thread_pool.h"

namespace trustregion::cpu {

void copyFromPanels(const double* sum, size_t first, size_t count, size_t rows, size_t columns,
                    double* to, size_t toRow, size_t toColumn, size_t panelColumns) {
  size_t column = first / (panelColumns * rows) * panelColumns;  // the first of a panel
  size_t width = std::min(panelColumns, columns - column);
  size_t i = (first - column * rows) / width;
  size_t j = (first - column * rows) % width;
  while (count > 0) {
    const size_t number = std::min(width - j, count);
    double* const row = to + i * toRow + (column + j) * toColumn;
    if (toColumn == 1) {
      std::copy_n(sum, number, row);
    } else {
      for (size_t k = 0; k < number; k++) row[k * toColumn] = sum[k];
    }
    sum += number;
    count -= number;
    j = 0;
    if (++i < rows) continue;
    i = 0;
    column += panelColumns;
    width = std::min(panelColumns, columns - column);
  }
}

namespace {

size_t splitTileRows(const SplitKernels& kernels, size_t widestLayer) {
  constexpr size_t kNarrow = 512;
  return widestLayer * kernels.operatorUnits <= kNarrow ? kNarrowSplitTileRows : kSplitTileRows;
}

}  // namespace

CpuMlp::CpuMlp(const MlpLayout& layout, const Kernels& kernels)
    : layout_(layout), kernels_(&kernels), widestLayer_(paddedWidth(layout.inputs())) {
  for (const LayerLayout& layer : layout_.layers()) {
    widestLayer_ = std::max(widestLayer_, hiddenWidth(layer.outputs));
  }
  const size_t lanes = kernels.lanes;
  const auto vectors = [&](size_t columns) { return (columns + lanes - 1) / lanes; };
  for (const LayerLayout& layer : layout_.layers()) {
    const bool isHead = forms_.size() + 1 == layout_.layers().size();
    forms_.push_back(isHead ? headForm(layer.outputs, lanes) : HeadForm::blocks);
    isTransposed_.push_back(layer.inputs * vectors(layer.outputs) <
                            layer.outputs * vectors(layer.inputs));
  }
}

size_t CpuMlp::tileRows(size_t rows) const {
  constexpr size_t kWide = 128;
  const bool isSplit = kernels_->split != nullptr;
  // Of the kernels' register blocks, or of what a tile of bfloat16 sums.
  const size_t multiple = isSplit ? kTileSteps : 6;
  const size_t whole = widestLayer_ > kWide ? kWideTileRows : kTileRows;
  const size_t most = isSplit ? splitTileRows(*kernels_->split, widestLayer_) : whole;
  if (rows <= most) return most;
  const size_t tiles = (rows + 2 * most - 1) / (2 * most) * 2;
  return std::min(most, toMultiple((rows + tiles - 1) / tiles, multiple));
}

TileScratch CpuMlp::makeScratch(size_t tileRows) const {
  return {UninitializedFloats(tileRows * widestLayer_),
          UninitializedFloats(tileRows * widestLayer_)};
}

void CpuMlp::pack(std::span<const double> parameters, PackFor purpose,
                  std::vector<PackedLayer>& packed, unsigned threads) const {
  const auto& layers = layout_.layers();
  packed.resize(layers.size());
  constexpr size_t kWorthwhile = 1 << 15;  // numbers, for a second thread
  // Two tasks a layer; the wide ones come in the middle.
  parallelFor(2 * layers.size(), parameters.size() < kWorthwhile ? 1 : threads,
              [&](size_t task, unsigned) {
                const size_t l = task / 2;
                const LayerLayout& layer = layers[l];
                const double* weight = parameters.data() + layer.weightOffset;
                PackedLayer& to = packed[l];
                if (task % 2 == 0) {
                  packTransposed(weight, layer, forms_[l], *kernels_, to);
                  const double* bias = parameters.data() + layer.biasOffset;
                  to.bias.resize(paddedWidth(layer.outputs));
                  std::transform(bias, bias + layer.outputs, to.bias.begin(),
                                 [](double value) { return static_cast<float>(value); });
                } else if (purpose == PackFor::forwardAndBackward && l > 0) {
                  // Nobody asks for d / d observation.
                  packWeight(weight, layer, *kernels_, to);
                }
              });
}

Factors CpuMlp::inputFactors(size_t l, ConstMatrix x, const PackedLayer& packed) const {
  return {layout_.layers()[l].inputs, x, packed.transposed.data()};
}

void CpuMlp::setDerivative(size_t l, const TileActivations& tile, Product& product) const {
  product.derivative = derivativeOf(layout_.activation());
  product.h = storesDerivative() ? tile.derivative[l] : tile.input[l + 1];
  // The same of the next tile, if it lies behind this one.
  product.next = product.h.data + product.rows * hiddenWidth(layout_.layers()[l].outputs);
}

void CpuMlp::addProduct(size_t l, Product product) const {
  if (forms_[l] == HeadForm::blocks) return kernels_->multiply(product);
  if (forms_[l] == HeadForm::narrow) return kernels_->multiplyNarrow(product);
  const size_t last = --product.columns;
  if (last > 0) kernels_->multiply(product);
  product.columns = 1;
  product.bias += last;
  product.c.data += last / kPanelColumns * product.c.panel + last % kPanelColumns;
  for (Factors* factors : {&product.first, &product.second}) {
    if (factors->inner > 0) factors->b += factors->inner * paddedWidth(last);
  }
  kernels_->multiplyNarrow(product);
}

void CpuMlp::forward(const std::vector<PackedLayer>& packed, size_t rows,
                     const TileActivations& tile, float* head) const {
  const auto& layers = layout_.layers();
  for (size_t l = 0; l < layers.size(); l++) {
    const bool isHead = l + 1 == layers.size();
    const Matrix output = isHead ? rowMajor(head, outputWidth()) : tile.input[l + 1];
    // z = X W' + b
    addProduct(l, {rows,
                   layers[l].outputs,
                   inputFactors(l, tile.input[l], packed[l]),
                   {},
                   packed[l].bias.data(),
                   output});
    if (isHead) return;
    activate(l, rows, tile);
  }
}

void CpuMlp::activate(size_t l, size_t rows, const TileActivations& tile) const {
  const Matrix z = tile.input[l + 1];
  const Matrix derivative = storesDerivative() ? tile.derivative[l] : Matrix{};
  // What a product has written: the padding behind the last vector may hold anything.
  const size_t width = toMultiple(layout_.layers()[l].outputs, kernels_->lanes);
  const auto apply = [&](size_t count, size_t at) {
    kernels_->activate(layout_.activation(), count, z.data + at,
                       derivative.data == nullptr ? nullptr : derivative.data + at);
  };
  for (size_t first = 0; first < width; first += kPanelColumns) {
    const size_t columns = std::min(kPanelColumns, width - first);
    const size_t panel = first / kPanelColumns * z.panel;
    if (columns == z.row) {
      apply(rows * columns, panel);
    } else {
      for (size_t i = 0; i < rows; i++) apply(columns, panel + i * z.row);
    }
  }
}

void CpuMlp::tangent(const std::vector<PackedLayer>& packed,
                     const std::vector<PackedLayer>& direction, size_t rows,
                     const TileActivations& tile, TileScratch& scratch, float* headTangent) const {
  const auto& layers = layout_.layers();
  Matrix inputTangent;
  float* next = scratch.first.data();
  float* other = scratch.second.data();
  for (size_t l = 0; l < layers.size(); l++) {
    const bool isHead = l + 1 == layers.size();
    const Matrix output =
        isHead ? rowMajor(headTangent, outputWidth()) : inPanels(next, rows, layers[l].outputs);
    // dz = X dW' + db, and + dX W' behind the first layer; dh = phi'(z) dz
    Product product{rows, layers[l].outputs,        inputFactors(l, tile.input[l], direction[l]),
                    {},   direction[l].bias.data(), output};
    if (l > 0) product.second = inputFactors(l, inputTangent, packed[l]);
    if (!isHead) setDerivative(l, tile, product);
    addProduct(l, product);
    inputTangent = output;
    std::swap(next, other);
  }
}

template <class Visit>
void CpuMlp::backwardPass(const std::vector<PackedLayer>& packed, size_t rows,
                          const TileActivations& tile, const float* headCotangent,
                          TileScratch& scratch, Visit&& visit) const {
  const auto& layers = layout_.layers();
  ConstMatrix u = rowMajor(headCotangent, outputWidth());
  float* next = scratch.first.data();
  float* other = scratch.second.data();
  for (size_t l = layers.size(); l-- > 0;) {
    visit(l, u);
    if (l == 0) return;
    const Matrix output = inPanels(next, rows, layers[l].inputs);
    // d / d x = U W, then through the activation
    Product product{rows, layers[l].inputs, {layers[l].outputs, u, packed[l].weight.data()},
                    {},   nullptr,          output};
    setDerivative(l - 1, tile, product);
    kernels_->multiply(product);
    u = output;
    std::swap(next, other);
  }
}

void CpuMlp::backward(const std::vector<PackedLayer>& packed, size_t rows,
                      const TileActivations& tile, const float* headCotangent, TileScratch& scratch,
                      double* sum, SumMode mode) const {
  backwardPass(packed, rows, tile, headCotangent, scratch, [&](size_t l, ConstMatrix u) {
    addLayerGradient(l, rows, u, tile.input[l], sum, mode);
  });
}

void CpuMlp::addLayerGradient(size_t l, size_t rows, ConstMatrix u, ConstMatrix x, double* sum,
                              SumMode mode) const {
  const LayerLayout& layer = layout_.layers()[l];
  double* weights = sum + layer.weightOffset;
  if (isTransposed_[l]) {
    kernels_->addGradient({layer.inputs, layer.outputs, rows, x, u, weights, mode});
  } else {
    kernels_->addGradient({layer.outputs, layer.inputs, rows, u, x, weights, mode});
  }
  kernels_->addColumnSums(rows, layer.outputs, u, sum + layer.biasOffset, mode);
}

void forEachPart(const MlpLayout& layout, std::span<const double> part, size_t first,
                 std::span<double> ordered, CopyWeights copyWeights) {
  const size_t end = first + part.size();
  // Calls visit(from, count) for what `part` has of the numbers start, start + 1, ..., `size`.
  const auto overlap = [&](size_t start, size_t size, auto&& visit) {
    const size_t from = std::max(first, start);
    const size_t to = std::min(end, start + size);
    if (from < to) visit(from, to - from);
  };
  const auto copy = [&](size_t from, size_t count) {
    std::copy_n(part.begin() + (from - first), count, ordered.begin() + from);
  };
  for (size_t l = 0; l < layout.layers().size(); l++) {
    const LayerLayout& layer = layout.layers()[l];
    overlap(layer.weightOffset, layer.inputs * layer.outputs, [&](size_t from, size_t count) {
      copyWeights(l, part.data() + (from - first), from - layer.weightOffset, count,
                  ordered.data() + layer.weightOffset);
    });
    overlap(layer.biasOffset, layer.outputs, copy);
  }
  const size_t count = layout.parameterCount();
  if (ordered.size() > count) overlap(count, ordered.size() - count, copy);
}

void CpuMlp::restoreOrder(std::span<const double> part, size_t first,
                          std::span<double> ordered) const {
  forEachPart(layout_, part, first, ordered,
              [&](size_t l, const double* from, size_t start, size_t count, double* to) {
                const size_t inputs = layout_.layers()[l].inputs;
                const size_t outputs = layout_.layers()[l].outputs;
                if (isTransposed_[l]) {
                  copyFromPanels(from, start, count, inputs, outputs, to, 1, inputs);
                } else {
                  copyFromPanels(from, start, count, outputs, inputs, to, inputs, 1);
                }
              });
}

void CpuMlp::backwardSquared(const std::vector<PackedLayer>& packed, size_t rows,
                             const TileActivations& tile, const float* headCotangent,
                             TileScratch& scratch, double* sum) const {
  // (J'u)^2 of one row is u_j^2 x_k^2: the same sums over squared factors.
  AlignedFloats squaredU(rows * widestLayer_);
  AlignedFloats squaredX(rows * widestLayer_);
  const auto squared = [&](ConstMatrix matrix, size_t width, AlignedFloats& to) {
    kernels_->multiplyElements(rows * width, matrix.data, matrix.data, to.data());
    return ConstMatrix{to.data(), matrix.row, matrix.panel};
  };
  backwardPass(packed, rows, tile, headCotangent, scratch, [&](size_t l, ConstMatrix u) {
    const LayerLayout& layer = layout_.layers()[l];
    const bool isHead = l + 1 == layout_.layers().size();
    const size_t uWidth = isHead ? outputWidth() : hiddenWidth(layer.outputs);
    const size_t xWidth = l == 0 ? inputWidth() : hiddenWidth(layer.inputs);
    addLayerGradient(l, rows, squared(u, uWidth, squaredU),
                     squared(tile.input[l], xWidth, squaredX), sum, SumMode::add);
  });
}

size_t CpuMlp::gramSize(size_t columns) {
  size_t size = 0;
  for (size_t first = 0; first < columns; first += kGramColumns) {
    const size_t last = std::min(columns, first + kGramColumns);
    size += last * (last - first);
  }
  return size;
}

void CpuMlp::addGram(size_t rows, size_t columns, ConstMatrix x, double* sum) const {
  for (size_t first = 0; first < columns; first += kGramColumns) {
    const size_t last = std::min(columns, first + kGramColumns);
    const ConstMatrix panel{x.data + first / kPanelColumns * x.panel + first % kPanelColumns, x.row,
                            x.panel};
    kernels_->addGradient({last, last - first, rows, x, panel, sum});
    sum += last * (last - first);
  }
}

void CpuMlp::unpackGram(const double* gram, size_t columns, double* matrix, size_t stride) {
  for (size_t first = 0; first < columns; first += kGramColumns) {
    const size_t last = std::min(columns, first + kGramColumns);
    for (size_t i = 0; i < last; i++) {
      for (size_t j = first; j < last; j++, gram++) {
        if (i > j) continue;  // the other half of a block on the diagonal
        matrix[i * stride + j] = matrix[j * stride + i] = *gram;
      }
    }
  }
}

PackedInputWeight::PackedInputWeight(const InputWeight& weight)
    : mean(weight.mean.begin(), weight.mean.end()),
      scale(weight.scale.begin(), weight.scale.end()) {}

float PackedInputWeight::operator()(ConstMatrix x, size_t row) const {
  constexpr size_t kSums = 8;  // one chain of additions would be as slow as a Gram matrix
  float sums[kSums] = {};
  for (size_t first = 0; first < mean.size(); first += kPanelColumns) {
    const float* const from = x.data + first / kPanelColumns * x.panel + row * x.row;
    const size_t count = std::min(kPanelColumns, mean.size() - first);
    const auto squaredDeviation = [&](size_t k) {
      const float deviation = (from[k] - mean[first + k]) * scale[first + k];
      return deviation * deviation;
    };
    size_t k = 0;
    for (; k + kSums <= count; k += kSums) {
      for (size_t lane = 0; lane < kSums; lane++) sums[lane] += squaredDeviation(k + lane);
    }
    for (; k < count; k++) sums[k % kSums] += squaredDeviation(k);
  }
  return 1 + (((sums[0] + sums[4]) + (sums[2] + sums[6])) +
              ((sums[1] + sums[5]) + (sums[3] + sums[7])));
}

void CpuMlp::addInputFactors(size_t rows, const TileActivations& tile,
                             std::span<const size_t> offsets, double* sum) const {
  for (size_t l = 0; l < layout_.layers().size(); l++) {
    const size_t size = layout_.layers()[l].inputs;
    const ConstMatrix x = tile.input[l];
    addGram(rows, size, x, sum + offsets[l]);
    kernels_->addColumnSums(rows, size, x, sum + offsets[l] + gramSize(size), SumMode::add);
  }
}

void CpuMlp::addOutputFactors(const std::vector<PackedLayer>& packed, size_t rows,
                              const TileActivations& tile, const float* headCotangent,
                              TileScratch& scratch, std::span<const PackedInputWeight> weights,
                              AlignedFloats& scaled, std::span<const size_t> offsets,
                              double* sum) const {
  backwardPass(packed, rows, tile, headCotangent, scratch, [&](size_t l, ConstMatrix u) {
    const size_t size = layout_.layers()[l].outputs;
    const size_t width = paddedWidth(size);
    double& weightSum = sum[offsets[l] + gramSize(size)];
    for (size_t i = 0; i < rows; i++) {
      const float weight = weights[l](tile.input[l], i);
      const float root = std::sqrt(weight);
      for (size_t first = 0; first < width; first += kPanelColumns) {
        const size_t at = first / kPanelColumns * u.panel + i * u.row;
        const size_t count = std::min(kPanelColumns, width - first);
        for (size_t j = 0; j < count; j++) scaled[at + j] = root * u.data[at + j];
      }
      weightSum += weight;
    }
    addGram(rows, size, {scaled.data(), u.row, u.panel}, sum + offsets[l]);
  });
}

}  // namespace trustregion::cpu
