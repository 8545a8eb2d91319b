"""Iterative magnitude pruning with rewinding, against its controls.

    lth imp                            MNIST-1D, one seed: about a minute
    lth imp -m seed=0,1,2,3,4          five seeds; then: lth report
    lth imp paper=frankle2019/lenet    Lenet-300-100 on MNIST, as published
    lth imp pruning=synflow            pruned before training; also snip, grasp
    lth imp 'probes=[distance,interpolation,agreement]'   where the arms end up

Trains a network, prunes its smallest weights, returns the others to the rewind
point, and repeats this `levels` times (Frankle & Carbin 2019). At each level
the ticket is compared with controls (`arms`):

  reinit, scratch      the ticket's mask, or a shuffled one, on new weights
  shuffle              a shuffled mask on the ticket's weights
  finetune, restart    the trained weights, trained further
  reinit_plus          new weights, scaled to the fan-in that the mask leaves
  small_dense          a narrower dense network with as many weights
  set, rigl            masks that change in training; also set_plus, rigl_plus

A winning ticket trains as fast and as accurately as the dense network, where
its controls do not. `probes` compare each trained arm with the pruned solution,
the trained network that the mask was taken from (Evci et al. 2022): distance of
the weights, loss and error on the line between the two, agreement of outputs.
The probe level_to_level draws the line between the tickets of consecutive
levels instead (Paul et al. 2023).

The job's folder holds results.csv, layers.csv, curves.csv, figures, report.html
and the last ticket. All trainings are kept in <outputs>/store: the same command
again trains nothing, and a killed one resumes.
"""
