"""From which iteration on training is stable to the noise of SGD.

    lth stability                             MNIST-1D, one seed
    lth stability 'rewinds=[0,100,1ep]'       other rewind points
    lth stability -m seed=0,1,2,3,4           five seeds; then: lth report
    lth stability paper=frankle2020/lenet     as published; also .../resnet20

Trains a network up to each of `rewinds`, and from there several copies, its
children, which differ in the order of examples and in augmentation alone. The
network is stable at a rewind point if the error on the straight line between
its children hardly rises above their own: their instability is below
`stable_below` points (Frankle et al. 2020). The same is measured of the ticket
that the search from that rewind point finds, at `arm_levels`, and of controls
(`arms`). Frankle et al. find that tickets match the dense network only from
where they are stable.

The job's folder holds stability.csv (a row for each pair of children),
lines.csv (loss and accuracy along each line), results.csv (the children),
layers.csv, curves.csv, figures, report.html and the tickets. All trainings are
kept in <outputs>/store and shared with lth imp: the same command again trains
nothing. The paper's claims are judged by lth claims frankle2020_lenet and
lth claims frankle2020_resnet20.
"""
