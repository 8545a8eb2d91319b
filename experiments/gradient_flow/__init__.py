"""Why tickets win: a sparse network trained in every way, against its pruned solution (Evci et al. 2022).

    lth gradient_flow                          MNIST-1D, one mask, five runs of everything
    lth gradient_flow -m worker=0,1            the same, by two processes that share the trainings
    lth gradient_flow paper=evci2022/lenet5    the paper's LeNet5 on MNIST at 95% sparsity, two workers

Trains a dense network that is pruned by magnitude as it trains (`gradual`): the pruned solution. Its mask is then
trained from other weights (`inits`): lottery (those of step 0), scratch (a new draw), scratch_plus (one scaled to each
unit's unmasked inputs), prune_restart (the pruned solution's); and by other methods (`methods`): small_dense, set and
rigl, whose masks change in training. The runs of a row differ in their data order alone, so that they are about one
mask; `scratch_other_inits` and `pruned_other_seeds` differ in more.

Worker 0's folder holds table.csv (the paper's table), results.csv, layers.csv, curves.csv, what was looked at
(agreement, distances, lines, signal, map, updates, spectrum), figures, report.html and the ticket; `draw` numbers the
runs of an arm, `seed` is that of the mask. Every training is kept in <outputs>/store: the same command again trains
nothing. `lth claims evci2022` puts the paper's claims beside what was measured.
"""
