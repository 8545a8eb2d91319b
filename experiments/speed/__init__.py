"""How fast networks train, dense and sparse, on this machine.

    lth speed                                                a few minutes
    lth speed networks=[lenet_300_100] densities=[1,0.07]    a part of it
    lth speed deep=[resnet20,vgg11] networks=[] levels=0     deep networks
    lth speed device=cuda deep=[resnet20,vgg11]              on a GPU
    lth speed scale=smoke                                    to see that it runs
    lth speed scale=paper                                    numbers to quote

Milliseconds per iteration on the CPU, for several networks and densities:

  ours         lth's training, for each layer the kernel that is faster
  ours_sparse  with sparse kernels alone
  ours_dense   with dense kernels, masked
  usual        torchvision's data set with ToTensor and Normalize, a DataLoader
               in the same process, weights masked after every step
  sparselab    the layers of SparseLab, if installed: pip install 'lth[peers]'
  floor        the matrix products and convolutions of the network alone

They take turns block by block, so that whatever else the machine does affects
all of them. The first block of each warms up and is not counted; compiling,
opening the data and evaluation are in no block. Without MNIST or CIFAR-10,
random images of their shapes take their place.

Then a loop of a user's, of Lenet-300-100 at 21%, called by lth as in a search:
its time over that of the same loop bare, which multiplies gradients and weights
by their masks, and over that of ours_dense.

A search of Lenet-300-100 follows, with evaluation every 100 iterations, in
three of the ways; then two seeds at once: a block beside a second process that
trains too, over twice that of a block alone. That is 0.5 where two cores do not
disturb each other, and 1 where nothing is gained.

At last deep networks on CIFAR-10 with flip and crop, on two cores:

  ours_pair            two seeds of ours at once, each on one core
  ours_pair_compiled   the same with recipe.compile=true, which is dense, where
                       there is a C++ compiler
  ours_pair_bfloat16   the same with recipe.precision=bfloat16, where the
                       processor has arithmetic of it
  usual_pair           two scripts at once, each on one core, with a DataLoader
                       in the same process
  usual_threads        one script with torch's threads on both cores and a
                       DataLoader with two worker processes

A script has torchvision's RandomCrop, RandomHorizontalFlip, ToTensor and
Normalize, torch's SGD, and weights masked after every step. The faster of the
two is the usual way there.

With device=cuda, deep networks alone are timed, beside a script on the GPU:
ours in float32, with recipe.memory_format=channels_last, with
recipe.precision=bfloat16, with recipe.compile=true, and with all three.

The job's folder holds ratios.csv, speed.csv, measures.csv and speed.json.
"""
