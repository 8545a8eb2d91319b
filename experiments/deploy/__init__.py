"""What a ticket is worth: small files, quick answers, and what each costs in accuracy and in search.

    lth deploy                                        a 300-100 network on MNIST-1D: a few minutes
    lth deploy data=mnist model=lenet5 scale=paper    LeNet5 on MNIST
    lth deploy levels=0 "blocks=['2:4']"              N:M and channel tickets alone

Finds tickets by iterative magnitude pruning, of single weights (`levels`), of whole output channels (`channels`) and of
N of M consecutive inputs (`blocks`, in the layers whose inputs M divides: of LeNet5 the linear ones). It takes each, as
trained, through every form that it can be kept and run in: masked, csr, packed, packed_int8, int8_dynamic, int8_static,
shrunk (channels that are pruned whole are removed), onnx (where it is installed), and weights rounded to 2 to 8 bits.
Every file is written, read again, and its logits compared with the masked network's. Latencies are taken by turns with
the dense network, on `threads` of this machine.

Masked zeros do not speed up dense kernels. Time is saved by forms that skip work or make it cheaper: csr, shrunk, int8.

The job's folder holds tickets.csv (what each took to find), cost.csv (a row a ticket and form), grid.csv (accuracy by
density and bits), sensitivity.csv (accuracy with one layer pruned), results.csv, layers.csv, curves.csv, figures,
report.html, the forms' files in forms/ and the sparsest ticket of the first kind. Every training is kept in
<outputs>/store: the same command again trains nothing, and takes the time of the latencies alone.
"""
