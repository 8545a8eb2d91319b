"""Pruning before training against pruning after it, with the ablations that tell why (Frankle et al. 2021).

    lth at_init                                  MNIST-1D, one seed: a minute or two
    lth at_init -m seed=0,1,2                    three seeds; lth report says what they show
    lth at_init 'methods=[imp,snip]' draws=3     some methods, three draws of each ablation
    lth at_init paper=frankle2021/lenet_300_100  the paper's comparison on MNIST, three seeds

Finds a mask by each of `methods`: at initialisation by snip, grasp, synflow, magnitude or at random, and after training
by magnitude_after (at once) and imp (level by level, with rewinding). All have as many weights at a level, within one
scope. Each mask is trained as it is (`ticket`), with its places shuffled within each layer (`shuffle`), and on new
weights (`reinit`). Where neither hurts, a method tells no more than how many weights each layer is to keep.

The job's folder holds table.csv (a row a method, density and arm, with what it took to find the mask), results.csv,
layers.csv, curves.csv, figures, report.html and METHOD.safetensors, the last ticket of each; in results.csv `setting`
and `schedule` tell methods apart. The dense network is trained once for all methods, every training is kept in
<outputs>/store, and the same command again trains nothing. `lth claims frankle2021` puts the paper's claims beside it.
"""
