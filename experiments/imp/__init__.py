"""Lottery tickets by iterative magnitude pruning with rewinding, against their controls (Frankle & Carbin 2019).

    lth imp                                            MNIST-1D, one seed: about a minute
    lth imp -m seed=0,1,2,3,4                          five seeds
    lth imp data=mnist model=lenet_300_100 levels=16   the paper's network
    lth imp 'probes=[distance,interpolation,agreement]'   why: where the arms end, and how alike they are
    lth imp pruning=synflow                            pruned before any training; also snip, grasp

Trains a network, prunes its smallest weights, sets the survivors back to the rewind point, and again, `levels` times.
At each level the ticket meets its controls (`arms`): reinit (the same mask, new weights), shuffle (other places, the
same weights), scratch (both new), finetune and restart (the trained weights go on), reinit_plus (new weights, scaled to
the mask), small_dense (a narrower network), set and rigl (the mask changes in training). A network that is a winning
ticket trains as fast and as well as the dense one where its controls do not.

`probes` compares every arm, as it ends at every level, with the pruned solution: the trained network that the mask was
taken from, pruned by it and not trained again (Evci et al. 2022). distance is that of the weights, interpolation the
barrier of loss and error on the straight line between the two, agreement that of the predictions, with the ticket and
between draws too. They change no training; what they see is in probes.csv, lines.csv and a figure.

The job's folder holds results.csv, layers.csv, curves.csv, figures, report.html and the last ticket. Every training is
kept in <outputs>/store, so the same command again trains nothing, and a killed one goes on.
"""
