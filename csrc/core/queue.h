// The gradients on their way back through the graph: what a backward pass holds. See queue.cpp.
#pragma once

#include "core/tensor.h"

#include <functional>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pt::core {

struct Waiting {
    NodeObject* node;  // owned
    PyObject* grads;   // owned: a tensor, or a list (None where nothing came) for nodes with several outputs
};

struct Queues {
    Waiting youngest{nullptr, nullptr};                   // of all that wait, or none: chains need no map
    std::map<uint64_t, Waiting, std::greater<>> nodes;    // the others by sequence, youngest first
    std::vector<std::pair<PyObject*, PyObject*>> leaves;  // owned (leaf, gradient), in order of arrival
    std::unordered_map<PyObject*, size_t> leaf_index;     // filled when there are more than a few leaves
    bool quick = false;                                   // may nodes run here?
    bool retain_graph = false;                            // else they free what they saved
    PyObject* watched = nullptr;  // owned set of nodes whose gradients the engine wants to see, or null
    PyObject* leading = nullptr;  // owned set of the nodes that are to run, or null: all

    Queues() = default;
    Queues(const Queues&) = delete;
    Queues& operator=(const Queues&) = delete;
    ~Queues();  // only a pass that an exception ended leaves something behind
};

// Adds a gradient (borrowed) for an output of a node, or for a leaf. -1 on error, as below.
int add_gradient(Queues& queues, PyObject* target, int output_nr, PyObject* grad);

// Runs the plain nodes that are next; then hands out the one that Python has to run (both fields owned by the
// caller), with a null node when none waits.
int next_node(Queues& queues, Waiting* waiting);

// Passes on what the rule of `node` gave, one gradient (or None) for each edge. One that has not the shape
// and dtype of what it belongs to is replaced by mend(node, index, gradient, target, output_nr).
int send_gradients(Queues& queues, NodeObject* node, PyObject* grads, PyObject* mend);

// Gives leaves without hooks their gradients, where nothing is to be recorded; the queue forgets them.
int keep_plain(Queues& queues);

// [[leaf, gradient], ...] of the others; the queue forgets them. Null on error.
PyObject* take_leaves(Queues& queues);

}  // namespace pt::core
