"""How fast the training loop is: a benchmark beside the usual way, and beside its bare matrix products.

    lth speed                      about half a minute
    lth speed scale=smoke          seconds, to see that it runs

Milliseconds per iteration of Lenet-300-100 on the CPU, batch 60, Adam:
  ours    the loop that every experiment trains with, on a masked network
  usual   torchvision's MNIST with ToTensor and Normalize, a DataLoader in the same process, torch.optim.Adam
          as it comes, and the weights multiplied by the mask after every step
  floor   the network's eight matrix products alone, into outputs that are there already

The three take turns, block by block, within one real training: whatever else the machine does meets all of them.
The first turn warms up and is not counted. Deterministic kernels are asked for in our blocks alone. Opening the
data is in no block, and no evaluation is: that is measured alone, as its share of a training that evaluates on
5,000 examples every 100 iterations. Where there is no MNIST, random images of its shape take its place.

After each of those blocks comes one of ours again, now beside a second worker: another process that trains the same
network meanwhile, as two jobs of a sweep do. Its time over twice that of a block alone is what two seeds at once take,
as a share of one after the other: 0.5 where two cores do not disturb each other, 1 where nothing is gained.

The job's folder holds speed.csv and speed.json.
"""
