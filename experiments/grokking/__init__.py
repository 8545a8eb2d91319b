"""Whether tickets generalise without the delay of grokking.

    lth grokking                           modular addition, an MLP, one seed
    lth grokking model=transformer         a transformer
    lth grokking -m seed=0,1,2,3,4         five seeds; then: lth report
    lth grokking paper=minegishi2023/mlp   as published; also .../transformer

A network on modular addition first memorises its training examples, and learns
to generalise long after. The ticket is the mask of the network that did both,
one-shot by magnitude, on the initial weights. It is compared with the dense
network, with dense networks whose weights are scaled to the ticket's norm
(`arms`), and with other masks of the same density (`methods`): by magnitude of
the network that has only memorised, by SNIP, GraSP and SynFlow, and by chance
(Minegishi et al. 2023).

The job's folder holds delays.csv (when each network reaches `threshold` on the
training and on the test split), results.csv, layers.csv, curves.csv, figures,
report.html and the ticket. All trainings are kept in <outputs>/store: the same
command again trains nothing. The paper's claims are judged by
lth claims minegishi2023_mlp and lth claims minegishi2023_transformer.
"""
