"""How fast the training loop is, beside a usual one.

    lth speed                half a minute
    lth speed scale=smoke    seconds, to see that it runs

Milliseconds per iteration of Lenet-300-100 on the CPU, batch 60, Adam:

  ours    the loop that every experiment trains with, on a masked network
  usual   torchvision's MNIST with ToTensor and Normalize, a DataLoader in the
          same process, torch.optim.Adam, weights masked after every step
  floor   the eight matrix products of the network alone, in preallocated memory

The three alternate block by block within one real training, so that whatever
else the machine does affects all of them. The first block of each warms up and
is not counted; opening the data and evaluation are in no block. Evaluation is
measured apart, as its share of a training that evaluates on 5,000 examples
every 100 iterations. Without MNIST, random images of its shape take its place.

Another block of ours runs beside a second process that trains the same network,
as two jobs of a sweep do. Its time over twice that of a block alone is what two
seeds at once take as a share of one after the other: 0.5 where two cores do not
disturb each other, 1 where nothing is gained.

The job's folder holds speed.csv and speed.json.
"""
