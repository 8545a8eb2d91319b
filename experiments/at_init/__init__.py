"""Pruning at initialisation against pruning after training.

    lth at_init                                  MNIST-1D, one seed: 2 minutes
    lth at_init -m seed=0,1,2                    three seeds; then: lth report
    lth at_init 'methods=[imp,snip]' draws=3     fewer methods, more draws
    lth at_init paper=frankle2021/lenet_300_100  MNIST, as published

Each of `methods` finds masks: snip, grasp, synflow, magnitude and random before
training, magnitude_after (in one shot) and imp (level by level) after it. At a
level all masks keep the same number of weights. Each mask is trained as it is
(ticket), shuffled within each layer (shuffle), and on new weights (reinit). A
method that loses nothing by either ablation has found no more than how many
weights each layer should keep (Frankle et al. 2021).

The job's folder holds table.csv (a row for each method, density and arm),
results.csv, layers.csv, curves.csv, figures, report.html and the last ticket of
each method; `setting` and `schedule` tell the methods apart. All trainings are
kept in <outputs>/store: the same command again trains nothing. The claims of
the paper are judged by: lth claims frankle2021
"""
