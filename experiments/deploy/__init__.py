"""What a ticket is worth: size, latency and accuracy in every form.

    lth deploy                                     MNIST-1D: a few minutes
    lth deploy data=mnist model=lenet5 scale=paper LeNet5 on MNIST
    lth deploy levels=0 "blocks=['2:4']"           N:M and channel tickets alone

Finds tickets by iterative magnitude pruning: of single weights (`levels`), of
output channels (`channels`), and of N of M consecutive inputs (`blocks`, in the
layers whose inputs M divides). Each is stored and run in several forms: masked,
csr, packed, packed_int8, int8_dynamic, int8_static, shrunk (without the pruned
channels), onnx (where it is installed), and with weights of 2 to 8 bits. Every
file is written, read again, and its logits are compared with the masked
network's. Latencies alternate with those of the dense network.

Masked zeros do not speed up dense kernels. Forms that skip work or make it
cheaper save time: csr, shrunk, int8.

The job's folder holds tickets.csv (what each ticket took to find), cost.csv (a
row for each ticket and form), grid.csv (accuracy by density and bits),
sensitivity.csv (accuracy with one layer pruned), results.csv, layers.csv,
curves.csv, figures, report.html, the files of all forms in forms/, and the
sparsest ticket of the first kind. All trainings are kept in <outputs>/store:
the same command again trains nothing, and measures the latencies alone.
"""
