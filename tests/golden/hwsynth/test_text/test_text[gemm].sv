// gemm(A: i8[4, 4], B: i8[4, 4]) -> (C: i32[4, 4])
// made by Gemel for ecp5 at 100 MHz; x_s2 is the value of x in stage 2
module gemm (
    input  logic               clk,
    input  logic               rst,

    // start is taken where busy is low; done is high for one cycle at the end
    input  logic               start,
    output logic               busy,
    output logic               done,

    // A: 16 words of i8, row-major 4 x 4
    output logic               A_ren,
    output logic [3:0]         A_raddr,
    input  logic signed [7:0]  A_rdata,

    // B: 16 words of i8, row-major 4 x 4
    output logic               B_ren,
    output logic [3:0]         B_raddr,
    input  logic signed [7:0]  B_rdata,

    // C: 16 words of i32, row-major 4 x 4
    output logic               C_wen,
    output logic [3:0]         C_waddr,
    output logic signed [31:0] C_wdata
);
  logic [2:1] last;  // the stage that holds the last iteration

  // ----------------------------------------------------------------------- the run (designs.py:16)
  logic accepted;

  assign accepted = start && !busy;

  always_ff @(posedge clk) begin
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
    end else begin
      if (accepted) begin
        busy <= 1'b1;
      end else if (last[2]) begin
        busy <= 1'b0;
      end
      done <= last[2];
    end
  end

  // ------------------ loop i, j, k: 64 iterations, one begins each cycle, 3 stages (designs.py:17)
  localparam logic [1:0] LAST_I = 2'd3;
  localparam logic [1:0] LAST_J = 2'd3;
  localparam logic [1:0] LAST_K = 2'd3;
  logic [1:0]         i;
  logic               i_last;
  logic [1:0]         j;
  logic               j_last;
  logic [1:0]         k;
  logic               k_last;
  logic signed [31:0] C_next;
  logic [5:0]         i_j_k_count;  // i, j, k side by side
  logic               run;          // iterations begin
  logic [2:1]         valid;        // the stages that hold an iteration
  logic signed [15:0] A_times_B_s2;
  logic [2:1]         k_is_0_s;
  logic signed [31:0] C;
  logic [2:1]         k_is_3_s;
  logic [3:0]         C_addr_s1;
  logic [3:0]         C_addr_s2;

  assign i = i_j_k_count[5:4];
  assign i_last = i == LAST_I;
  assign j = i_j_k_count[3:2];
  assign j_last = j == LAST_J;

  // designs.py:18: for i, j, k in gm.grid(M, N, K):
  assign k = i_j_k_count[1:0];
  assign k_last = k == LAST_K;

  // designs.py:19: C[i, j] += A[i, k] * B[k, j]
  assign C_next = (k_is_0_s[2] ? 32'sd0 : C) + 32'(A_times_B_s2);

  always_ff @(posedge clk) begin
    if (rst) begin
      i_j_k_count <= 6'd0;
      run <= 1'b0;
      last <= '0;
      valid <= '0;
    end else begin
      if (run) i_j_k_count <= i_j_k_count + 6'd1;
      if (accepted) begin
        run <= 1'b1;
      end else if (k_last && j_last && i_last) begin
        run <= 1'b0;
      end
      last <= {last[1], run && k_last && j_last && i_last};
      valid <= {valid[1], run};
    end
  end

  always_ff @(posedge clk) begin
    if (accepted) begin
      C <= 32'sd0;
    end else if (valid[2]) begin
      C <= C_next;
    end
  end

  // designs.py:17, 19
  always_ff @(posedge clk) begin
    A_times_B_s2 <= 16'(A_rdata) * 16'(B_rdata);
    k_is_0_s <= {k_is_0_s[1], k == 2'd0};
    k_is_3_s <= {k_is_3_s[1], k_last};
    C_addr_s1 <= {i, j};
    C_addr_s2 <= C_addr_s1;
  end

  // ----------------------------------------------------------------------------------------- ports
  assign A_raddr = {i, k};
  assign A_ren = run;
  assign B_raddr = {k, j};
  assign B_ren = run;
  assign C_waddr = C_addr_s2;
  assign C_wdata = C_next;
  assign C_wen = valid[2] && k_is_3_s[2];
endmodule
