#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/backend.h"
#include "core/cpu/cpu_mlp.h"
#include "core/cpu/double_mlp.h"
#include "core/cpu/row_group.h"
#include "core/cpu/split/split_mlp.h"
#include "core/function_ref.h"
#include "core/rollout_copy.h"

namespace trustregion::cpu {

// Blocks that sums over rows are cut into: enough for many threads, few enough that adding them up
// costs little and that their accumulators, `sumSize` numbers each, stay below 64 MB (but at least
// 4).
size_t blockCount(size_t rows, size_t tiles, size_t sumSize);
// Accumulators for so many blocks, of which each block's first tile overwrites its own.
std::vector<UninitializedDoubles> makeBlockSums(size_t rows, size_t tiles, size_t sumSize);

// A batch held for the CPU: scaled observations, activations and head metric of every row cached in
// float32 at the expansion point.
//
// Rows are cut into tiles of CpuMlp::tileRows, and tiles into blocks of consecutive ones. A block
// is one task: it sums its tiles in order into accumulators of its own, which are then added up in
// block order. Tiles and blocks depend on the problem's size alone, so 1 and 64 threads give the
// same bits. Fisher products allocate nothing.
//
// Hidden activations are held for as many tiles as the memory budget leaves room for; those of the
// others are computed again, by the same operations, whenever they are needed.
class CpuProblem : public Problem {
 public:
  CpuProblem(const PolicyModel& model, const Kernels& kernels, std::span<const double> parameters,
             const ObservationScaling& scaling, const RolloutView& rollout,
             const Resources& resources);

  size_t parameterCount() const override { return model_.parameterCount(); }
  size_t rows() const override { return rows_; }
  unsigned threads() const override { return threads_; }
  // Well below the root of the products' rounding, 2.4e-4 and 2.8e-3 (Simon 1984, "Analysis of the
  // symmetric Lanczos algorithm with reorthogonalization methods": semi-orthogonality is as good).
  double orthogonalityTolerance() const override { return splitMlp_ ? 1e-4 : 1e-5; }
  MultiplySingle multiplySingle() const override { return mlp_.kernels().multiplySingle; }
  void surrogateGradient(std::span<double> gradient) override;
  void fisherProduct(std::span<const double> vector, std::span<double> product) override;
  void fisherDiagonal(std::span<double> diagonal) override;
  void empiricalFisherProduct(std::span<const double> vector, std::span<double> product) override;
  KroneckerFactors kroneckerFactors(const KroneckerSampling& sampling) override;
  ObjectiveValue objectiveGradient(std::span<const double> parameters, const Objective& objective,
                                   std::span<const uint32_t> rows,
                                   std::span<double> gradient) override;
  Evaluation evaluate(std::span<const double> parameters) override;
  Evaluation evaluateInDouble(std::span<const double> parameters) override;
  void compareRows(std::span<const double> parameters,
                   std::span<RowComparison> comparisons) override;

 private:
  struct Tile {
    size_t firstRow;
    size_t rows;
  };
  // Scratch of one thread.
  struct Worker {
    TileScratch scratch;
    SplitScratch splitScratch;
    SplitActivations cutActivations;        // pointers into caches or `cut`
    std::vector<RoundedTiles> cut;          // activations of one tile that is not held, cut
    TileActivations activations;            // pointers into caches, `recomputed` or `candidate`
    std::vector<AlignedFloats> recomputed;  // activations of one tile that is not held
    std::vector<UninitializedFloats> candidate;  // hidden activations of one tile, for evaluate
    AlignedFloats derivative;
    AlignedFloats head;  // [tileRows_ x outputWidth]
    AlignedFloats headCotangent;
    std::vector<double> oldHead;
    std::vector<double> score;
    // The distributions of a group of rows: at the expansion point, at other parameters.
    GroupHeads oldHeads;
    GroupHeads newHeads;
    AlignedDoubles actions;
    GroupGradient gradient;
    AlignedFloats groupHeads;  // [kGroupRows x outputs], of rows from anywhere
    // Activations of a tile of any rows, for objectiveGradient; made when it is first asked for.
    TileActivations gathered;
    std::vector<AlignedFloats> gatheredBuffers;
  };
  // Consecutive rows of one tile, at most kGroupRows.
  struct Group {
    size_t tile;
    size_t firstRow;
    size_t rows;
  };
  // The first tile of a block overwrites the network's sums.
  using TileTask = FunctionRef<void(const Tile& tile, Worker& worker, double* sum, SumMode mode)>;
  // Which tile of a list of them, by number.
  using NumberedTask = FunctionRef<void(size_t tile, Worker& worker, double* sum, SumMode mode)>;
  using DoubleTask = FunctionRef<void(size_t tile, Worker& worker, const double* heads)>;
  using GroupTask = FunctionRef<void(const Group& group, Worker& worker)>;
  using TakeMeans = FunctionRef<void(std::span<const double> part, size_t first)>;

  size_t tileCount() const { return (rows_ + tileRows_ - 1) / tileRows_; }
  Tile tileAt(size_t index) const;
  // Activations of a tile at theta: where they are held, or else computed anew.
  void pointToActivations(const Tile& tile, Worker& worker);
  // The same as a product needs them: as they are, or cut for products of bfloat16, which takes
  // their place where they are held.
  const TileActivations& activationsForProduct(const CpuMlp& mlp, const Tile& tile, Worker& worker);
  const SplitActivations& activationsForProduct(const SplitMlp& mlp, const Tile& tile,
                                                Worker& worker);
  bool isHeld(const Tile& tile) const { return tile.firstRow + tile.rows <= heldRows_; }
  bool isCached(const Tile& tile) const { return isHeld(tile) && !isCut_; }
  // Where, among those of all tiles, a tile's activations or derivatives of a hidden layer are.
  size_t heldOffset(const Tile& tile, size_t width) const;
  const double* action(size_t row) const;
  const double* logStd(std::span<const double> parameters) const;
  void pointToCache(const Tile& tile, Worker& worker);
  void holdActivations(size_t memoryBudget);
  void makeRecomputed(Worker& worker) const;
  void pointToCandidate(const Tile& tile, Worker& worker);
  void cacheTile(const Tile& tile, const ObservationScaling& scaling, NumberSpan observations,
                 Worker& worker);
  void gatherActivations(size_t firstRow, size_t stride, size_t rows, Worker& worker,
                         TileActivations& tile, std::vector<AlignedFloats>& buffers) const;
  void readOldHead(size_t row, Worker& worker) const;
  void applyMetric(const Tile& tile, const float* headTangent, float* headCotangent) const;
  void gatherTile(std::span<const uint32_t> rows, const Tile& tile, Worker& worker);
  GroupDistribution distributionAt(std::span<const double> parameters) const;
  // Reads the old heads and the actions of a group.
  void readGroup(const Group& group, Worker& worker) const;
  void readActions(const Group& group, Worker& worker) const;
  // Writes the head gradients of rows [firstRow, firstRow + rows) of a tile to
  // worker.headCotangent, and adds those of logStd to `sum`.
  void takeGradient(size_t firstRow, size_t rows, Worker& worker, double* sum) const;
  // Calls task(group, worker) with worker.oldHeads, newHeads and actions filled, for each group.
  void forEachCandidateGroup(std::span<const double> parameters,
                             const GroupDistribution& distribution, GroupTask task);
  void forwardInDouble(std::span<const double> parameters, DoubleTask task);
  // log pi_new - log pi_old of the actions of a group; 0 without any.
  void logRatios(const GroupDistribution& distribution, const Group& group,
                 const double* oldLogProbability, const Worker& worker, double* out) const;
  void addToEvaluation(const GroupDistribution& distribution, const Group& group,
                       const double* oldLogProbability, const Worker& worker,
                       Evaluation& sum) const;
  Evaluation meanOf(const std::vector<Evaluation>& tiles) const;
  ObjectiveValue objectiveOfGroup(const GroupDistribution& distribution, const Objective& objective,
                                  std::span<const double> oldLogProbability,
                                  std::span<const double> advantages, Worker& worker) const;
  // result = mean over rows of what `task` adds to its sums.
  void meanOverTiles(std::span<double> result, TileTask task);
  // The same where `take` puts the means where they belong; see meanOverBlocks.
  void meanOverTiles(std::span<double> result, TileTask task, TakeMeans take);
  // result = mean of J' u over rows, where makeCotangent(tile, worker, sum, mode) turns
  // worker.head, J `vector`, into u, worker.headCotangent. By the kernels' products of bfloat16 if
  // they have any.
  void meanProduct(std::span<const double> vector, std::span<double> result,
                   TileTask makeCotangent);
  // Sums what the tasks 0 ... tiles - 1 add, over `rows`, with an accumulator of `blockSums` for
  // each block, and hands the means on piece by piece: take(part, first) gets the numbers first,
  // first + 1, ...
  void meanOverBlocks(size_t tiles, double rows, std::vector<UninitializedDoubles>& blockSums,
                      NumberedTask task, TakeMeans take);

  PolicyModel model_;
  CpuMlp mlp_;
  std::vector<double> parameters_;
  GroupDistribution distribution_;  // at parameters_
  RolloutCopy rollout_;
  size_t rows_;
  size_t tileRows_;
  size_t heldRows_ = 0;  // those of whole tiles
  unsigned threads_;

  std::vector<PackedLayer> packed_;
  std::vector<PackedLayer> packedDirection_;
  std::optional<SplitMlp> splitMlp_;  // where the kernels have products of bfloat16
  // Observations of the rows held, cut; the hidden layers' places are in inputs_ and derivatives_.
  RoundedTiles cutInputs_;
  bool isCut_ = false;  // by the first product
  std::vector<SplitLayer> splitPacked_;
  std::vector<SplitDirection> splitDirection_;
  std::vector<PackedLayer> packedCandidate_;
  // What each layer reads: observations of all rows, row-major; hidden layers of those held, tile
  // by tile. Padding is 0.
  std::vector<UninitializedFloats> inputs_;
  std::vector<UninitializedFloats> derivatives_;  // SiLU only
  AlignedFloats heads_;                           // [rows x outputs], dense
  AlignedFloats metric_;                          // [rows x padded outputs]; one row for a Gaussian
  AlignedDoubles headsInDouble_;  // [rows x outputs], once evaluateInDouble was called
  AlignedDoubles oldLogProbability_;
  // For klUncertainty: mean x^2 of each observation feature over rows, and the errors of heads_.
  std::vector<double> meanSquareInput_;
  std::vector<double> headVariance_;

  std::vector<Worker> workers_;
  std::vector<UninitializedDoubles> blockSums_;
};

}  // namespace trustregion::cpu
