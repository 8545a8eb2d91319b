"""Why tickets win: one sparse network, trained in every other way.

    lth gradient_flow                         MNIST-1D, one mask
    lth gradient_flow -m worker=0,1           the same, shared by two processes
    lth gradient_flow redraw=true repeats=3   three draws of weights a row
    lth gradient_flow paper=evci2022/lenet5   LeNet5 on MNIST, as published

Trains a dense network that is pruned by magnitude during training (`gradual`):
the pruned solution. Then trains the mask of that solution from other weights
(`inits`): lottery (the weights of step 0), scratch (a new draw), scratch_plus
(a draw scaled to each unit's unmasked fan-in by the paper's formula),
scratch_plus_glorot (the same as in the authors' configuration), prune_restart
(the weights of the pruned solution); and networks of the same size by other
`methods`: small_dense, and set and rigl, whose masks change during training.

The runs of a row differ in data order, and with `redraw=true` in every draw of
weights, too. Those of lottery and prune_restart have no weights to draw. All of
scratch_one_init start from one draw, and all of scratch_other_inits from draws
of their own, whatever `redraw` says; pruned_other_seeds have other masks.

The paper's findings (Evci et al. 2022): standard re-initialisation has
vanishing gradients early in training, and sparsity-aware initialisation does
not; a lottery ticket relearns the pruned solution that its mask came from.

The folder of worker 0 holds table.csv (the paper's table), results.csv,
layers.csv, curves.csv, the analyses (agreement, distances, lines, signal, map,
updates, spectrum), figures, report.html and the ticket. All trainings are kept
in <outputs>/store: the same command again trains nothing. `lth claims evci2022`
compares the results with the paper's claims.
"""
